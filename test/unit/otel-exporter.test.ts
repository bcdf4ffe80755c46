import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { BatchSettings } from '../../src/contract/export-settings.ts';
import { type Resource, SpanKind } from '../../src/contract/span.ts';
import { Losses } from '../../src/otel/losses.ts';
import { openSpanExporter, schemaUrl } from '../../src/otel/open-span-exporter.ts';
import { openOtlpTransport } from '../../src/otel/otlp-transport.ts';
import type { SpanExporter } from '../../src/otel/span-exporter.ts';
import { type OtlpReceiver, type OtlpReceiverOptions, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { slabWith } from '../support/otlp-slab.ts';
import { readExportSettings } from '../support/settings.ts';

const scope = { name: 'uspan', version: '1.2.3', schemaUrl };
const shop: Resource = { attributes: { 'service.name': 'shop' } };
const cart: Resource = { attributes: { 'service.name': 'cart' } };
const { slab } = slabWith({});
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0).reverse()) await close();
});

async function receiverOf(options: OtlpReceiverOptions): Promise<OtlpReceiver> {
  const receiver = await startOtlpReceiver(options);
  closing.push(() => receiver.close());
  return receiver;
}

async function exporterTo(
  { endpoint, protocol = 'http/protobuf' }: { endpoint?: string; protocol?: 'grpc' | 'http/protobuf' },
  limits: Partial<BatchSettings> = {},
  timeoutMs = 10_000,
) {
  const { otlp, batch } = readExportSettings({
    ...process.env,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_EXPORTER_OTLP_TIMEOUT: String(timeoutMs),
    ...(endpoint && { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }),
  });
  const notices: string[] = [];
  const details: unknown[] = [];
  const notify = (_level: string, message: string, more: object): void => {
    notices.push(message);
    details.push(more);
  };
  const losses = new Losses(notify, 50);
  const exporter = await openSpanExporter({ otlp, batch: { ...batch, ...limits }, version: '1.2.3', losses, notify });
  closing.push(() => exporter.shutdown(0));
  return { exporter, losses, notices, details };
}

function otlpTo(endpoint: string, protocol: string) {
  return readExportSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: protocol }).otlp;
}

function writeSpans(exporter: SpanExporter, count: number, resource = shop): void {
  for (let i = 0; i < count; i++) {
    exporter.writer.begin(slab, 0, resource, SpanKind.server);
    exporter.writer.nameText(`${resource.attributes['service.name']} ${i}`);
    exporter.writer.end();
  }
}

for (const protocol of ['grpc', 'http/protobuf'] as const) {
  test(`${protocol}: spans of several processes arrive in one request, with resource and scope`, async () => {
    const receiver = await receiverOf({ protocol });
    const { exporter } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    writeSpans(exporter, 2, shop);
    writeSpans(exporter, 1, cart);
    expect(await exporter.flush(5000)).toBe(true);
    expect(receiver.spans().map((span) => [span.resource['service.name'], span.name, span.scope])).toEqual([
      ['shop', 'shop 0', scope],
      ['shop', 'shop 1', scope],
      ['cart', 'cart 0', scope],
    ]);
    expect(receiver.requests).toHaveLength(1);
    expect(receiver.requests[0]?.headers['user-agent']).toContain('uspan/1.2.3');
    expect(exporter.state()).toEqual({
      accepted: 3,
      exported: 3,
      lost: { queue_full: 0, rejected: 0, failed: 0, shutdown_timeout: 0 },
      queuedSpans: 0,
      queuedBytes: 0,
      requests: 1,
      failedRequests: 0,
    });
  });
}

for (const protocol of ['grpc', 'http/protobuf'] as const) {
  test(`${protocol}: endpoint, headers, gzip and the signal's own variables come from the environment`, async () => {
    const receiver = await receiverOf({ protocol });
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
    vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'x-tenant=a,x-team=t');
    vi.stubEnv('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'x-tenant=b');
    vi.stubEnv('OTEL_EXPORTER_OTLP_COMPRESSION', 'gzip');
    const { exporter } = await exporterTo({ protocol });
    writeSpans(exporter, 100);
    expect(await exporter.flush(5000)).toBe(true);
    expect(receiver.spanCount).toBe(100);
    expect(receiver.requests[0]?.headers).toMatchObject({ 'x-tenant': 'b', 'x-team': 't' });
    if (protocol !== 'grpc') expect(receiver.requests[0]?.headers['content-encoding']).toBe('gzip');
    if (protocol !== 'grpc') expect(receiver.requests[0]?.headers['content-length']).toMatch(/^\d+$/);
  });

  test(`${protocol}: a collector that comes late gets every span, once`, async () => {
    const receiver = await receiverOf({ protocol, behaviour: { kind: 'unavailable' } });
    const { exporter, notices } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    writeSpans(exporter, 50);
    expect(await exporter.flush(100)).toBe(false);
    receiver.behaviour = { kind: 'accept' };
    await receiver.waitForSpans(50, 10_000);
    expect(await exporter.flush(5000)).toBe(true);
    expect(receiver.spanCount).toBe(50);
    expect(exporter.state()).toMatchObject({ accepted: 50, exported: 50, queuedSpans: 0 });
    expect(notices).toEqual(['cannot export spans', 'the collector takes spans again']);
  });

  test(`${protocol}: a request without an answer is sent again, not lost`, async () => {
    const receiver = await receiverOf({ protocol, behaviour: { kind: 'slow', delayMs: 60_000 } });
    const { exporter, losses } = await exporterTo({ endpoint: receiver.endpoint, protocol }, {}, 100);
    writeSpans(exporter, 5);
    const flushed = exporter.flush(20_000);
    await vi.waitUntil(() => exporter.state().failedRequests > 0, { timeout: 10_000 });
    receiver.behaviour = { kind: 'accept' };
    expect(await flushed).toBe(true);
    expect(exporter.state()).toMatchObject({ exported: 5, lost: { failed: 0 }, queuedSpans: 0, queuedBytes: 0 });
    expect(losses.total()).toBe(0);
  });

  test(`${protocol}: a collector that asks for a pause gets it`, async () => {
    const receiver = await receiverOf({ protocol, behaviour: { kind: 'throttle', seconds: 1 } });
    const transport = await openOtlpTransport(otlpTo(receiver.endpoint, protocol), 'uspan/1');
    closing.push(() => transport.close());
    const request = { bytes: new Uint8Array(0), spans: 0 };
    expect(await transport.send(request)).toMatchObject({ outcome: 'failed', retry: true, retryAfterMs: 1000 });
    receiver.behaviour = { kind: 'overloaded', seconds: 2 };
    expect(await transport.send(request)).toMatchObject({
      outcome: 'failed',
      retry: true,
      retryAfterMs: 2000,
      failure: { status: protocol === 'grpc' ? 'RESOURCE_EXHAUSTED' : 'HTTP 429' },
    });
    receiver.behaviour = { kind: 'unavailable' };
    expect(await transport.send(request)).toMatchObject({ outcome: 'failed', retry: true, retryAfterMs: undefined });
  });

  test(`${protocol}: a collector that is back after an outage gets the first spans within five seconds`, async () => {
    const receiver = await receiverOf({ protocol });
    const { exporter, losses } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    writeSpans(exporter, 10);
    expect(await exporter.flush(5000)).toBe(true);
    await receiver.close();
    writeSpans(exporter, 20);
    void exporter.flush(0);
    // By then, a channel that keeps its own clock pauses for longer than the exporter does.
    await vi.waitUntil(() => exporter.state().failedRequests >= 5, { timeout: 60_000 });
    const again = await receiverOf({ protocol, port: receiver.port });
    await again.waitForSpans(20, 5000);
    await vi.waitUntil(() => exporter.state().exported === 30, { timeout: 5000 });
    expect(again.spanCount).toBe(20);
    expect(losses.total()).toBe(0);
  }, 90_000);

  test(`${protocol}: a request that is too large goes in parts`, async () => {
    const receiver = await receiverOf({ protocol, behaviour: { kind: 'limited', maxBytes: 30_000 } });
    const { exporter, losses } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    for (let i = 0; i < 10; i++) writeSpans(exporter, 200, i % 2 ? cart : shop);
    expect(await exporter.flush(5000)).toBe(true);
    expect(exporter.state()).toMatchObject({ exported: 2000, queuedSpans: 0, queuedBytes: 0 });
    expect(losses.total()).toBe(0);
    const names = receiver.spans().map((span) => `${span.resource['service.name']} ${span.name} ${span.scope.version}`);
    expect(names).toHaveLength(2000);
    expect(names.filter((name) => name === 'cart cart 7 1.2.3')).toHaveLength(5);
    expect(names.filter((name) => name === 'shop shop 199 1.2.3')).toHaveLength(5);
  });

  test(`${protocol}: an answer that is not OTLP's protobuf is an error, and the spans are counted as lost`, async () => {
    const body = '<html>login</html>';
    const receiver = await receiverOf({
      protocol,
      behaviour: { kind: 'page', status: 200, contentType: 'text/html', body },
    });
    const { exporter, losses, notices } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    writeSpans(exporter, 5);
    expect(await exporter.flush(5000)).toBe(true);
    expect(exporter.state()).toMatchObject({ exported: 0, lost: { failed: 5 }, failedRequests: 1 });
    expect(losses.snapshot()).toEqual([{ stage: 'export', reason: 'failed', count: 5 }]);
    expect(notices).toEqual(['cannot export spans', 'losing spans']);
  });

  test(`${protocol}: a refused request is lost at once and counted`, async () => {
    const receiver = await receiverOf({ protocol, behaviour: { kind: 'refuse' } });
    const { exporter, losses } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    writeSpans(exporter, 5);
    expect(await exporter.flush(5000)).toBe(true);
    expect(receiver.requests).toHaveLength(1);
    expect(exporter.state()).toMatchObject({ exported: 0, lost: { failed: 5 }, failedRequests: 1 });
    expect(losses.snapshot()).toEqual([{ stage: 'export', reason: 'failed', count: 5 }]);
  });

  test(`${protocol}: partial success counts the rejected spans`, async () => {
    const receiver = await receiverOf({ protocol, behaviour: { kind: 'partial', rejectedSpans: 3 } });
    const { exporter, details } = await exporterTo({ endpoint: receiver.endpoint, protocol });
    writeSpans(exporter, 10);
    expect(await exporter.flush(5000)).toBe(true);
    expect(exporter.state()).toMatchObject({ accepted: 10, exported: 7, lost: { rejected: 3 } });
    expect(details).toContainEqual(expect.objectContaining({ code: 'E_EXPORT', rejected: 3, message: 'as told' }));
  });
}

test('an unreachable collector neither stalls the writer nor grows the queue past its limits', async () => {
  const receiver = await receiverOf({});
  await receiver.close();
  const limits = { maxBatchSpans: 100, maxQueueSpans: 1000, scheduleDelayMs: 10 };
  const { exporter, losses, notices } = await exporterTo({ endpoint: receiver.endpoint }, limits);
  for (let i = 0; i < 50; i++) writeSpans(exporter, 100);
  const { queuedSpans, accepted, lost } = exporter.state();
  expect({ queuedSpans, accepted, queueFull: lost.queue_full }).toEqual({
    queuedSpans: 1000,
    accepted: 1000,
    queueFull: 4000,
  });
  expect(await exporter.shutdown(300)).toBe(false);
  expect(exporter.state()).toMatchObject({
    accepted: 1000,
    queuedSpans: 0,
    queuedBytes: 0,
    lost: { shutdown_timeout: 1000 },
  });
  expect(losses.total()).toBe(5000);
  losses.close();
  expect(notices.filter((notice) => notice === 'losing spans')).toHaveLength(2);
});

test('the queue is bounded in bytes too', async () => {
  const receiver = await receiverOf({ behaviour: { kind: 'slow', delayMs: 60_000 } });
  const limits = { maxBatchSpans: 10, maxQueueBytes: 64 * 1024 };
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint }, limits);
  writeSpans(exporter, 5000);
  const { queuedBytes, lost, accepted } = exporter.state();
  expect(queuedBytes).toBeLessThanOrEqual(64 * 1024);
  expect(lost.queue_full).toBe(5000 - accepted);
  expect(lost.queue_full).toBeGreaterThan(0);
});

test('gRPC: a request too large for the collector is not sent again and again', async () => {
  const receiver = await receiverOf({ protocol: 'grpc', behaviour: { kind: 'exhausted' } });
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint, protocol: 'grpc' });
  writeSpans(exporter, 5);
  expect(await exporter.flush(10_000)).toBe(true);
  expect(exporter.state()).toMatchObject({ lost: { failed: 5 }, queuedSpans: 0, requests: 1 });
});

test.each([
  [413, { retry: false, tooLarge: true }],
  [401, { retry: false, tooLarge: false }],
  [503, { retry: true }],
])('gRPC: a proxy that answers with the status %i of HTTP', async (status, expected) => {
  const proxy = createServer();
  proxy.on('stream', (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/html' });
    stream.end('<html>');
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  closing.push(async () => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const transport = await openOtlpTransport(otlpTo(`http://127.0.0.1:${port}`, 'grpc'), 'uspan/1');
  closing.push(() => transport.close());
  expect(await transport.send({ bytes: new Uint8Array(0), spans: 0 })).toMatchObject({
    outcome: 'failed',
    ...expected,
  });
});

test('HTTP: what a collector says of a refusal is told', async () => {
  const receiver = await receiverOf({ behaviour: { kind: 'refuse' } });
  const transport = await openOtlpTransport(otlpTo(receiver.endpoint, 'http/protobuf'), 'uspan/1');
  closing.push(() => transport.close());
  const result = await transport.send({ bytes: new Uint8Array(0), spans: 0 });
  expect(result).toMatchObject({ outcome: 'failed', retry: false, failure: { status: 'HTTP 400', detail: 'as told' } });
});

test.each([
  [200, undefined, '', 'failed'],
  [200, 'text/plain', '', 'failed'],
  [200, 'application/json', '{}', 'failed'],
  [200, 'application/x-protobuf', '<html>', 'failed'],
  [202, 'text/html', '<html>', 'failed'],
  [302, undefined, '', 'failed'],
  [200, 'application/x-protobuf', '', 'sent'],
  [200, 'Application/X-Protobuf; charset=utf-8', '', 'sent'],
  // Fluent Bit and Grafana Cloud.
  [201, undefined, '', 'sent'],
  [204, undefined, '', 'sent'],
])('HTTP: %i with type %s and body %j is: %s', async (status, contentType, body, outcome) => {
  const page = { kind: 'page', status, body, ...(contentType && { contentType }) } as const;
  const receiver = await receiverOf({ behaviour: page });
  const transport = await openOtlpTransport(otlpTo(receiver.endpoint, 'http/protobuf'), 'uspan/1');
  closing.push(() => transport.close());
  const result = await transport.send({ bytes: new Uint8Array(0), spans: 0 });
  expect(result).toMatchObject(outcome === 'sent' ? { outcome } : { outcome, retry: false, tooLarge: false });
});

test('a collector that repeats a key is not repeated', async () => {
  const behaviour = { kind: 'refuse', message: 'unknown key geheimnis, in "Bearer geheimnis"' } as const;
  const receiver = await receiverOf({ behaviour });
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20geheimnis');
  const { exporter, details } = await exporterTo({ endpoint: receiver.endpoint });
  writeSpans(exporter, 1);
  await exporter.flush(5000);
  expect(details[0]).toMatchObject({ status: 'HTTP 400', detail: 'unknown key …, in "…"' });
});

test.each([
  ['http/protobuf', 'http://user:geheim@127.0.0.1:1/v1?key=geheim'],
  ['grpc', 'http://user:geheim@127.0.0.1:1/?key=geheim'],
] as const)('%s: the log names the endpoint and the code, and no secret', async (protocol, endpoint) => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=geheim');
  const { exporter, details } = await exporterTo({ endpoint, protocol });
  writeSpans(exporter, 1);
  await exporter.flush(0);
  await vi.waitUntil(() => details.length > 0, { timeout: 10_000 });
  const shown = expect.stringMatching(/^http:\/\/127\.0\.0\.1:1(\/v1\/v1\/traces)?$/);
  expect(details[0]).toMatchObject({
    code: 'E_EXPORT',
    endpoint: shown,
    status: expect.stringMatching(/^(UNAVAIL|ECONN)/),
  });
  expect(JSON.stringify(details)).not.toContain('geheim');
});

test('a slow collector gets at most two requests at a time, and all spans', async () => {
  const receiver = await receiverOf({ behaviour: { kind: 'slow', delayMs: 100 } });
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint }, { maxBatchSpans: 10 });
  writeSpans(exporter, 60);
  await vi.waitUntil(() => receiver.requests.length > 0, { timeout: 5000 });
  expect(exporter.state().requests).toBe(2);
  expect(await exporter.flush(10_000)).toBe(true);
  expect(receiver.requests.map((request) => request.spans)).toEqual([10, 10, 10, 10, 10, 10]);
  expect(receiver.spanCount).toBe(60);
});

test('batches go by themselves: full ones at once, the rest after the delay', async () => {
  const receiver = await receiverOf({});
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint }, { maxBatchSpans: 10, scheduleDelayMs: 100 });
  writeSpans(exporter, 15);
  await receiver.waitForSpans(15, 5000);
  expect(receiver.requests.map((request) => request.spans)).toEqual([10, 5]);
});

test('requests stay below the byte limit', async () => {
  const receiver = await receiverOf({ countOnly: true });
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint }, { maxBatchBytes: 10_000 });
  for (let i = 0; i < 20; i++) writeSpans(exporter, 100, i % 2 ? shop : cart);
  expect(await exporter.flush(5000)).toBe(true);
  expect(receiver.spanCount).toBe(2000);
  expect(Math.max(...receiver.requests.map((request) => request.bytes))).toBeLessThan(10_500);
  expect(exporter.state()).toMatchObject({ queuedSpans: 0, queuedBytes: 0 });
});

test('shutdown sends what is there, is idempotent, and counts what comes after', async () => {
  const receiver = await receiverOf({});
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint });
  writeSpans(exporter, 7);
  const first = exporter.shutdown(5000);
  expect(exporter.shutdown(5000)).toBe(first);
  expect(await first).toBe(true);
  expect(receiver.spanCount).toBe(7);
  writeSpans(exporter, 2);
  await exporter.flush(100);
  expect(exporter.state()).toMatchObject({ accepted: 7, exported: 7, lost: { shutdown_timeout: 2 } });
});

test('a collector killed in the middle and restarted loses nothing', async () => {
  const receiver = await receiverOf({ behaviour: { kind: 'slow', delayMs: 60_000 } });
  const { exporter } = await exporterTo({ endpoint: receiver.endpoint });
  writeSpans(exporter, 20);
  const flushed = exporter.flush(20_000);
  await vi.waitUntil(() => receiver.requests.length > 0, { timeout: 5000 });
  await receiver.close();
  const again = await receiverOf({ port: receiver.port });
  expect(await flushed).toBe(true);
  expect(again.spanCount).toBe(20);
  expect(exporter.state()).toMatchObject({ exported: 20, lost: { failed: 0 } });
});

test('the schema is that of the semantic conventions we use', () => {
  const { version } = JSON.parse(readFileSync('node_modules/@opentelemetry/semantic-conventions/package.json', 'utf8'));
  expect(schemaUrl).toBe(`https://opentelemetry.io/schemas/${version}`);
});
