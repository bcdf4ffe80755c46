/**
 * Sends an order of the example shop to a real Jaeger, and writes what Jaeger's query API says of it into README.md, as a table. As root,
 * after `make test-backends`: `node scripts/gen-jaeger-result.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../src/otel/format-duration.ts';
import { startAgent } from '../test/support/agent.ts';
import { startJaeger } from '../test/support/jaeger.ts';
import type { DecodedSpan } from '../test/support/otlp-decode.ts';
import { type Origin, startShop, visit, visits } from '../test/support/shop.ts';
import { replaceSection } from './gen-docs.ts';

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const order = visits.find(({ servers: [[, name, status]] }) => name === 'POST /orders' && status === 201)!;

/** An order's trace as Jaeger stored it. The first orders warm up the app. */
async function traceAnOrder(): Promise<{ origin: Origin; spans: DecodedSpan[] }> {
  await using jaeger = await startJaeger();
  await using shop = await startShop();
  const agent = await startAgent({ endpoint: jaeger.httpEndpoint, pids: shop.pids });
  for (let n = 0; n < 20; n++) await visit(shop, order);
  const origin = await visit(shop, order);
  // The server's side of a request ends a moment after its answer arrives.
  await sleep(500);
  const { report } = await agent.stop();
  while ((await jaeger.spans()).length < report.exported) await sleep(50);
  return { origin, spans: await jaeger.trace(origin.traceId) };
}

/** Spans under their parents, in the order in which they begin. Those whose parent Jaeger does not have come first. */
function inTreeOrder(spans: readonly DecodedSpan[]): { span: DecodedSpan; depth: number }[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const byTime = spans.toSorted((a, b) => Number(a.startUnixNs - b.startUnixNs));
  const below = (parent: string | undefined, depth: number): { span: DecodedSpan; depth: number }[] =>
    byTime
      .filter(({ parentSpanId }) => (ids.has(parentSpanId ?? '') ? parentSpanId : undefined) === parent)
      .flatMap((span) => [{ span, depth }, ...below(span.spanId, depth + 1)]);
  return below(undefined, 0);
}

/** The answer of the query API, as text in columns. */
function table({ origin, spans }: { origin: Origin; spans: readonly DecodedSpan[] }): string {
  const start = spans.reduce(
    (first, span) => (span.startUnixNs < first ? span.startUnixNs : first),
    spans[0]!.startUnixNs,
  );
  const rows = inTreeOrder(spans).map(({ span, depth }) => [
    String(span.resource['service.name']),
    `${'  '.repeat(depth)}${span.name}`,
    kinds[span.kind]!,
    `+${formatDuration(Number(span.startUnixNs - start))}`,
    formatDuration(Number(span.endUnixNs - span.startUnixNs)),
    String(span.attributes['http.response.status_code'] ?? span.attributes['db.response.status_code'] ?? ''),
    span.spanId,
    span.parentSpanId === origin.spanId ? `${span.parentSpanId} (the caller)` : (span.parentSpanId ?? ''),
  ]);
  const cells = [['service', 'operation', 'kind', 'start', 'duration', 'status', 'span', 'parent'], ...rows];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return ['```', `GET /api/v3/traces/${origin.traceId}`, '', ...lines, '```'].join('\n');
}

const result = await traceAnOrder();
const services = new Set(result.spans.map((span) => span.resource['service.name']));
if (services.size < 3)
  throw new Error(`this is no trace to show: ${JSON.stringify(result.spans.map(({ name }) => name))}`);
const readme = new URL('../README.md', import.meta.url);
writeFileSync(readme, replaceSection(readFileSync(readme, 'utf8'), 'generated:jaeger', table(result)));
