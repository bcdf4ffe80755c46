import { afterEach, expect, test, vi } from 'vitest';
import { UspanError } from '../../src/contract/errors.ts';
import { readExportSettings } from '../../src/otel/export-settings.ts';
import { openOtlpTransport } from '../../src/otel/otlp-transport.ts';

afterEach(() => vi.unstubAllEnvs());

function stub(env: Record<string, string>): void {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

test('defaults', () => {
  expect(readExportSettings()).toEqual({
    exporters: ['otlp'],
    protocol: 'http/protobuf',
    batch: {
      scheduleDelayMs: 1000,
      maxBatchSpans: 2048,
      maxBatchBytes: 1_048_576,
      maxQueueSpans: 262_144,
      maxQueueBytes: 67_108_864,
      exportTimeoutMs: 30_000,
      maxConcurrentExports: 2,
    },
  });
});

test('OTEL_BSP_*, protocols and exporters are read; a batch is never larger than the queue', () => {
  stub({
    OTEL_BSP_SCHEDULE_DELAY: '250',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '512',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_EXPORT_TIMEOUT: '5000',
    OTEL_TRACES_EXPORTER: 'otlp, console',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
  });
  expect(readExportSettings()).toMatchObject({
    exporters: ['otlp', 'console'],
    protocol: 'http/protobuf',
    batch: { scheduleDelayMs: 250, maxBatchSpans: 100, maxQueueSpans: 100, exportTimeoutMs: 5000 },
  });
  stub({ OTEL_TRACES_EXPORTER: 'none' });
  expect(readExportSettings().exporters).toEqual([]);
});

test.each([
  { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
  { OTEL_TRACES_EXPORTER: 'zipkin' },
  { OTEL_BSP_SCHEDULE_DELAY: 'soon' },
  { OTEL_BSP_SCHEDULE_DELAY: '-1' },
  { OTEL_BSP_MAX_QUEUE_SIZE: '0' },
  { OTEL_BSP_EXPORT_TIMEOUT: '1e12' },
] as Record<string, string>[])('what cannot be followed is refused, with the name: %o', (env) => {
  stub(env);
  expect(readExportSettings).toThrow(UspanError);
  expect(readExportSettings).toThrow(expect.objectContaining({ code: 'E_USAGE', on: Object.keys(env)[0] }));
});

test.each([
  ['grpc', { OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://host' }],
  ['grpc', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://ho st' }],
  ['http/protobuf', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'localhost:4318' }],
  ['http/protobuf', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' }],
  ['grpc', { OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere/ca.pem' }],
  ['http/protobuf', { OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: '/nowhere/key.pem' }],
] as const)(
  '%s: an endpoint or file that is wrong is refused, not replaced by a default: %o',
  async (protocol, env) => {
    stub(env);
    const opened = openOtlpTransport({ protocol, userAgent: 'uspan', notify: () => {} });
    await expect(opened).rejects.toThrow(expect.objectContaining({ code: 'E_USAGE', on: Object.values(env)[0] }));
  },
);

test.each(['localhost:4317', 'http://[::1]:4317', 'https://collector.example', 'unix:///run/otel.sock'])(
  'gRPC takes %s',
  async (endpoint) => {
    const transport = await openOtlpTransport({ protocol: 'grpc', endpoint, userAgent: 'uspan', notify: () => {} });
    await transport.close();
  },
);

test("the official exporter's warnings are told once", async () => {
  stub({ OTEL_EXPORTER_OTLP_COMPRESSION: 'zip' });
  const notices: string[] = [];
  const notify = (_: string, message: string): void => void notices.push(message);
  await openOtlpTransport({ protocol: 'http/protobuf', userAgent: 'uspan', notify });
  expect(notices).toEqual([expect.stringContaining('OTEL_EXPORTER_OTLP_COMPRESSION')]);
});
