/**
 * The example shop's traces at their destination. Everything that the agent reports is there, equal in every field, and nothing else. The
 * agent reports by `--json`, which comes from another writer than the protobuf that it sends. The tests always run against our own
 * receiver, and against the real Jaeger and OpenTelemetry Collector if `make test-backends` has built them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { type AgentOptions, type RunningAgent, startAgent } from '../support/agent.ts';
import { backendPath, haveBackends } from '../support/backends.ts';
import { configArguments, startCollector } from '../support/collector.ts';
import { startJaeger } from '../support/jaeger.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { makeCertificates } from '../support/otlp-certificates.ts';
import { type DecodedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { runProcess } from '../support/process.ts';
import { type Origin, type Shop, startShop, type Visit, visit, visits } from '../support/shop.ts';
import { parseSpanLines, type ReportedSpan } from '../support/span-lines.ts';

const serverKind = 2;
const errorStatus = 2;

/** A visit, and the trace that was made for it. */
type Visited = Visit & { readonly origin: Origin };

/** Polls until `check` returns something. */
async function until<T>(check: () => Promise<T | undefined> | T | undefined, withinMs = 20_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${check}`);
    await sleep(20);
  }
}

/** Polls until there are `count` spans. The caller's comparison reports more, or fewer at the deadline. */
async function spansWithin(count: number, read: () => Promise<DecodedSpan[]> | DecodedSpan[]): Promise<DecodedSpan[]> {
  let last: DecodedSpan[] = [];
  const enough = async () => {
    last = await read();
    return last.length >= count || undefined;
  };
  await until(enough).catch(() => {});
  return last;
}

/** What both forms say of a span, by its ids. */
function comparable(spans: readonly ReportedSpan[]): Record<string, ReportedSpan> {
  const entries = spans.map(({ scope: _, ...span }: ReportedSpan & { scope?: unknown }) => {
    return [`${span.traceId} ${span.spanId}`, span] as const;
  });
  const byId = Object.fromEntries(entries);
  expect(Object.keys(byId)).toHaveLength(spans.length);
  return byId;
}

const traceIds = (spans: readonly ReportedSpan[]): string[] => [...new Set(spans.map((span) => span.traceId))].sort();
const namesOf = (spans: readonly ReportedSpan[], service: string): string[] => {
  return [...new Set(spans.filter((span) => span.resource['service.name'] === service).map(({ name }) => name))].sort();
};

/** Server spans in the traces of these visits. */
function serversOf(spans: readonly ReportedSpan[], visited: readonly Visited[]): ReportedSpan[] {
  const traces = new Set(visited.map(({ origin }) => origin.traceId));
  return spans.filter((span) => span.kind === serverKind && traces.has(span.traceId));
}

/** Whether these have the server spans of every visit, in its trace, with the visitor as the front's parent. */
function expectVisits(spans: readonly ReportedSpan[], visited: readonly Visited[]): void {
  for (const each of visited) {
    const servers = serversOf(spans, [each]);
    const texts = servers.map(({ resource, name, attributes }) => {
      return [resource['service.name'], name, attributes['http.response.status_code']];
    });
    expect(texts.sort()).toEqual(each.servers.toSorted());
    const front = servers.find((span) => span.resource['service.name'] === 'front');
    expect(front?.parentSpanId).toBe(each.origin.spanId);
  }
}

describeKernel('the example shop, as a backend sees it', () => {
  let watch: KernelWatch;
  let shop: Shop;
  beforeAll(async () => {
    watch = watchKernel();
    shop = await startShop();
  });
  afterAll(async () => {
    await shop[Symbol.asyncDispose]();
    await watch.assertNothingLeft();
  });

  /** An agent that also prints what it sends. */
  const startReporting = (options: Omit<AgentOptions, 'pids' | 'extra'>): Promise<RunningAgent> =>
    startAgent({
      ...options,
      pids: shop.pids,
      extra: ['--json'],
      env: { OTEL_TRACES_EXPORTER: 'otlp,console', ...options.env },
    });

  const makeVisits = async (rounds: number, all = visits): Promise<Visited[]> => {
    const visited: Visited[] = [];
    for (let round = 0; round < rounds; round++)
      for (const each of all) visited.push({ ...each, origin: await visit(shop, each) });
    return visited;
  };

  /** The server's side of a request ends a moment after its answer arrives. */
  const untilReported = (agent: RunningAgent, visited: readonly Visited[]): Promise<true> =>
    until(() => {
      const due = visited.reduce((sum, { servers }) => sum + servers.length, 0);
      return serversOf(parseSpanLines(agent.stdout()), visited).length >= due || undefined;
    });

  /** Runs an agent over some rounds of all visits. It must report exactly what was visited. */
  async function traceVisits(
    options: Omit<AgentOptions, 'pids' | 'extra'>,
    rounds = 5,
  ): Promise<{ reported: ReportedSpan[]; visited: Visited[]; report: Report }> {
    const agent = await startReporting(options);
    const visited = await makeVisits(rounds);
    await untilReported(agent, visited);
    const { report } = await agent.stop();
    const reported = parseSpanLines(agent.stdout());
    expectVisits(reported, visited);
    expect(report).toMatchObject({ exported: reported.length, lost: [] });
    return { reported, visited, report };
  }

  test.each(['grpc', 'http/protobuf'] as const)('our own receiver, %s', async (protocol) => {
    await using receiver = await startOtlpReceiver({ protocol });
    const { reported } = await traceVisits({ endpoint: receiver.endpoint, protocol });
    expect(comparable(receiver.spans())).toEqual(comparable(reported));
  });

  if (!haveBackends()) return;

  test.each(['grpc', 'http/protobuf'] as const)('Jaeger, %s', async (protocol) => {
    await using jaeger = await startJaeger();
    const endpoint = protocol === 'grpc' ? jaeger.grpcEndpoint : jaeger.httpEndpoint;
    const { reported } = await traceVisits({ endpoint, protocol });

    expect(comparable(await spansWithin(reported.length, () => jaeger.spans()))).toEqual(comparable(reported));
    const services = ['front', 'inventory', 'postgres', 'pricing'];
    expect(await jaeger.services()).toEqual(services);
    for (const service of services) {
      const operations = await jaeger.operations(service);
      expect([...new Set(operations.map(({ name }) => name))].sort()).toEqual(namesOf(reported, service));
    }
    for (const id of traceIds(reported)) {
      const trace = reported.filter((span) => span.traceId === id);
      expect(comparable(await jaeger.trace(id))).toEqual(comparable(trace));
    }
    const orders = reported.filter((span) => span.name === 'POST /orders');
    const found = await jaeger.search({ service: 'front', operation: 'POST /orders' });
    expect(traceIds(found)).toEqual(traceIds(orders));
  });

  test('a Collector on the way to Jaeger, http/protobuf', async () => {
    await using jaeger = await startJaeger();
    await using collector = await startCollector({
      configs: [
        'collector.yaml',
        // Beside the pipeline that is deployed, one that changes nothing.
        'yaml:{exporters: {file: {}}, service: {pipelines: {traces/all: {receivers: [otlp], exporters: [file]}}}}',
      ],
      env: { BACKEND: `127.0.0.1:${jaeger.ports[0]}` },
    });
    const endpoint = `http://127.0.0.1:${collector.httpPort}`;
    const { reported } = await traceVisits({ endpoint });

    expect(comparable(await spansWithin(reported.length, collector.spans))).toEqual(comparable(reported));
    const stored = await spansWithin(reported.length, () => jaeger.spans());
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    const cleaned = reported.map(({ attributes: { 'url.query': _, ...attributes }, ...span }) => {
      const personal = attributes['client.address'] === undefined ? {} : { 'client.address': hash };
      return { ...span, attributes: { ...attributes, ...personal } };
    });
    expect(comparable(stored)).toEqual(comparable(cleaned));
  });

  test('a gateway keeps every trace with an error, whole, and few of the others', async () => {
    await using jaeger = await startJaeger();
    await using collector = await startCollector({
      configs: [
        'collector-gateway.yaml',
        'yaml:{exporters: {file: {}}, processors: {tail_sampling: {decision_wait: 1s}}}',
      ],
      env: { BACKEND: `127.0.0.1:${jaeger.ports[0]}` },
      listeners: ['extensions::health_check'],
    });
    const rounds = 20;
    const { reported } = await traceVisits({ endpoint: `http://127.0.0.1:${collector.httpPort}` }, rounds);
    const failed = new Set(reported.filter((span) => span.status.code === errorStatus).map((span) => span.traceId));
    const due = reported.filter((span) => failed.has(span.traceId));
    // `/fail`, `/panic`, and the order that the inventory refuses, which is an error of the front's client.
    expect(failed.size).toBeGreaterThanOrEqual(3 * rounds);

    const kept = async () => (await jaeger.spans()).filter((span) => failed.has(span.traceId));
    expect(comparable(await spansWithin(due.length, kept))).toEqual(comparable(due));
    // The very last visit failed. Traces are decided in the order in which they came, so the others are decided too.
    const others = traceIds(reported).filter((id) => !failed.has(id));
    const keptOthers = traceIds(await jaeger.spans()).filter((id) => !failed.has(id));
    // A tenth of 100 or more. None at all has a chance below 3e-5, half of them one below 1e-20.
    expect(others.length).toBeGreaterThanOrEqual(5 * rounds);
    expect(keptOthers.length).toBeGreaterThan(0);
    expect(keptOthers.length).toBeLessThan(others.length / 2);
  });

  test.each(['grpc', 'http/protobuf'] as const)('a Collector with mutual TLS and headers, %s', async (protocol) => {
    const certificates = makeCertificates();
    try {
      const { ca, server, client } = certificates;
      const tls = `{cert_file: ${server.cert}, key_file: ${server.key}, client_ca_file: ${ca}}`;
      await using collector = await startCollector({
        configs: [
          `yaml:
            receivers: {otlp: {protocols: {grpc: {include_metadata: true, tls: ${tls}}, http: {include_metadata: true, tls: ${tls}}}}}
            processors: {attributes: {actions: [{key: tenant, action: insert, from_context: metadata.x-tenant}]}}
            exporters: {file: {}}
            service:
              telemetry: {metrics: {level: none}}
              pipelines: {traces: {receivers: [otlp], processors: [attributes], exporters: [file]}}`,
        ],
      });
      const port = protocol === 'grpc' ? collector.grpcPort : collector.httpPort;
      const { reported } = await traceVisits({
        endpoint: `https://127.0.0.1:${port}`,
        protocol,
        env: {
          OTEL_EXPORTER_OTLP_CERTIFICATE: ca,
          OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: client.cert,
          OTEL_EXPORTER_OTLP_CLIENT_KEY: client.key,
          OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
          OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=acme%20ltd,authorization=Bearer%20abc',
        },
      });
      const marked = reported.map((span) => ({ ...span, attributes: { ...span.attributes, tenant: 'acme ltd' } }));
      expect(comparable(await spansWithin(reported.length, collector.spans))).toEqual(comparable(marked));
    } finally {
      certificates.remove();
    }
  });

  test('Jaeger killed and started again: what came meanwhile waits for it', async () => {
    const first = await startJaeger();
    const agent = await startReporting({ endpoint: first.httpEndpoint });
    const before = await makeVisits(1);
    await untilReported(agent, before);
    await spansWithin(parseSpanLines(agent.stdout()).length, () => first.spans());
    await first.kill9();
    const meanwhile = await makeVisits(3);
    await untilReported(agent, [...before, ...meanwhile]);
    await using second = await startJaeger({ ports: first.ports });
    const ids = new Set(meanwhile.map(({ origin }) => origin.traceId));
    const due = parseSpanLines(agent.stdout()).filter((span) => ids.has(span.traceId));
    const arrived = async () => (await second.spans()).filter((span) => ids.has(span.traceId));
    expect(comparable(await spansWithin(due.length, arrived))).toEqual(comparable(due));
    const { report } = await agent.stop();
    expect(report).toMatchObject({ exported: parseSpanLines(agent.stdout()).length, lost: [] });
  });

  describe('the example configurations', () => {
    test.each([
      ['otelcol', 'collector.yaml'],
      ['otelcol', 'collector-gateway.yaml'],
      ['jaeger', 'jaeger.yaml'],
    ] as const)('%s finds nothing wrong in %s', async (name, file) => {
      const { code, stderr } = await runProcess(backendPath(name), ['validate', ...configArguments([file])]);
      expect(code, stderr).toBe(0);
    });
  });
});
