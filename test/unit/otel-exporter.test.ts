import { afterEach, expect, test } from 'vitest';
import { type Resource, SpanKind } from '../../src/contract/span.ts';
import { type BatchSettings, defaultBatchSettings } from '../../src/otel/export-settings.ts';
import { Losses } from '../../src/otel/losses.ts';
import { openOtlpTransport } from '../../src/otel/otlp-transport.ts';
import { SpanExporter } from '../../src/otel/span-exporter.ts';
import { type OtlpReceiver, type OtlpReceiverOptions, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { slabWith } from '../support/otlp-slab.ts';

const scope = { name: 'uspan', version: '1.2.3', schemaUrl: 'https://opentelemetry.io/schemas/1.45.0' };
const shop: Resource = { attributes: { 'service.name': 'shop' } };
const cart: Resource = { attributes: { 'service.name': 'cart' } };
const { slab } = slabWith({});
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function receiverOf(options: OtlpReceiverOptions): Promise<OtlpReceiver> {
  const receiver = await startOtlpReceiver(options);
  closing.push(() => receiver.close());
  return receiver;
}

async function exporterTo(
  { endpoint, protocol = 'grpc' }: { endpoint: string; protocol?: 'grpc' | 'http/protobuf' },
  batch: Partial<BatchSettings> = {},
) {
  const notices: string[] = [];
  const notify = (_level: string, message: string): void => void notices.push(message);
  const losses = new Losses(notify, 50);
  const transport = await openOtlpTransport({ protocol, endpoint, userAgent: 'uspan/1.2.3' });
  const exporter = new SpanExporter({ transport, scope, batch: { ...defaultBatchSettings, ...batch }, losses, notify });
  closing.push(() => exporter.shutdown(0));
  return { exporter, losses, notices };
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
