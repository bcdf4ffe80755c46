import { expect, test } from 'vitest';
import { describeError } from '../../src/contract/errors.ts';
import { openOtlpTransport } from '../../src/otel/otlp-transport.ts';
import { readExportSettings, readRun } from '../support/settings.ts';

test('defaults', () => {
  expect(readExportSettings({})).toEqual({
    exporters: ['otlp'],
    otlp: {
      protocol: 'http/protobuf',
      endpoint: 'http://localhost:4318/v1/traces',
      headers: {},
      compression: 'none',
      timeoutMs: 10_000,
      tls: undefined,
    },
    batch: {
      scheduleDelayMs: 1000,
      maxBatchSpans: 8192,
      maxBatchBytes: 4_000_000,
      maxQueueSpans: 262_144,
      maxQueueBytes: 134_217_728,
      maxConcurrentExports: 2,
    },
  });
});

test('OTEL_BSP_*, protocols and exporters are read; a batch is never larger than the queue', () => {
  const env = {
    OTEL_BSP_SCHEDULE_DELAY: '250',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '512',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_EXPORT_TIMEOUT: '5000',
    OTEL_TRACES_EXPORTER: 'otlp, console',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
  };
  expect(readExportSettings(env)).toMatchObject({
    exporters: ['otlp', 'console'],
    otlp: { protocol: 'http/protobuf', timeoutMs: 5000 },
    batch: { scheduleDelayMs: 250, maxBatchSpans: 100, maxQueueSpans: 100 },
  });
  expect(readExportSettings({ ...env, OTEL_TRACES_EXPORTER: 'none' }).exporters).toEqual([]);
});

test.each([
  { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
  { OTEL_TRACES_EXPORTER: 'zipkin' },
  { OTEL_BSP_SCHEDULE_DELAY: 'soon' },
  { OTEL_BSP_SCHEDULE_DELAY: '-1' },
  { OTEL_BSP_MAX_QUEUE_SIZE: '0' },
  { OTEL_BSP_EXPORT_TIMEOUT: '1e12' },
  { OTEL_EXPORTER_OTLP_COMPRESSION: 'zip' },
  { OTEL_EXPORTER_OTLP_INSECURE: '1' },
  { OTEL_EXPORTER_OTLP_TIMEOUT: '0' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=%' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'x tenant=a' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=a%0d%0ax-other:b' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=%C3%A4' },
  { OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'Content-Length=5' },
  { OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'transfer-encoding=chunked' },
] as Record<string, string>[])('what cannot be followed is refused, with the name: %o', (env) => {
  const [name] = Object.keys(env);
  expect(() => readExportSettings(env)).toThrow(
    expect.objectContaining({
      code: 'E_USAGE',
      message: expect.stringMatching(new RegExp(`^${name} .*, but must be `)),
    }),
  );
});

test('a variable that another one hides is checked too', () => {
  const env = { OTEL_EXPORTER_OTLP_TRACES_INSECURE: 'true', OTEL_EXPORTER_OTLP_INSECURE: 'yes' };
  expect(() => readExportSettings(env)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  expect(() => readExportSettings(env)).toThrow('OTEL_EXPORTER_OTLP_INSECURE is "yes", but must be true or false');
});

test.each([
  { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=geheim%' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=geheim%0a' },
  { OTEL_EXPORTER_OTLP_HEADERS: 'geheim' },
  { OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://user:geheim@host' },
  { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'ftp://host/?api-key=geheim' },
] as Record<string, string>[])('what may be a secret is not repeated in the error: %o', (env) => {
  const [name] = Object.keys(env);
  const text = refusal(() => readExportSettings(env));
  expect(text).toContain(name);
  expect(text).not.toContain('geheim');
});

test.each(['bad name: geheim', 'x-key: "geheim\\n"', 'x-key: [geheim]', 'te: geheim', 'x-key: gehäim'])(
  'nor is a header of the file: %j',
  (line) => {
    const text = refusal(() => readRun('', {}, `export:\n  headers:\n    ${line}\n`));
    expect(text).toMatch(/^E_CONFIG: export\.headers\.\S.* \(u\.yaml:3:/);
    expect(text).not.toMatch(/geh[eä]im/);
  },
);

/** How a user sees it. */
function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return describeError(error);
  }
  throw new Error('accepted');
}

test.each([
  ['grpc', { OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://host' }],
  ['grpc', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://ho st' }],
  ['http/protobuf', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'localhost:4318' }],
  ['http/protobuf', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' }],
  ['grpc', { OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere/ca.pem' }],
  ['http/protobuf', { OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: '/nowhere/key.pem' }],
] as const)('%s: an endpoint or file that is wrong is refused, not replaced by a default: %o', (protocol, env) => {
  const [[name, value]] = Object.entries(env) as [[string, string]];
  expect(() => readExportSettings({ ...env, OTEL_EXPORTER_OTLP_PROTOCOL: protocol })).toThrow(
    expect.objectContaining({
      code: 'E_USAGE',
      message: expect.stringContaining(`${name} is "${value}", but must be`),
    }),
  );
});

// OpenTelemetry specification, "Endpoint URLs for OTLP/HTTP", and its examples.
test.each([
  [{}, 'http://localhost:4318/v1/traces'],
  [{ ENDPOINT: 'http://collector:4318' }, 'http://collector:4318/v1/traces'],
  [{ ENDPOINT: 'http://collector:4318/' }, 'http://collector:4318/v1/traces'],
  [{ ENDPOINT: 'http://collector:4318/mycollector/' }, 'http://collector:4318/mycollector/v1/traces'],
  [{ ENDPOINT: 'https://collector/a?key=1' }, 'https://collector/a/v1/traces?key=1'],
  [{ TRACES_ENDPOINT: 'http://collector:4318/own/path' }, 'http://collector:4318/own/path'],
  [{ TRACES_ENDPOINT: 'http://collector:4318' }, 'http://collector:4318/'],
  [{ ENDPOINT: 'http://other', TRACES_ENDPOINT: 'http://collector/v1/traces' }, 'http://collector/v1/traces'],
  [{ ENDPOINT: ' ', TRACES_ENDPOINT: '' }, 'http://localhost:4318/v1/traces'],
  [{ PROTOCOL: 'grpc' }, 'http://localhost:4317'],
  [{ PROTOCOL: 'grpc', ENDPOINT: 'http://collector:4317' }, 'http://collector:4317'],
  [{ PROTOCOL: 'grpc', ENDPOINT: 'collector:4317', INSECURE: 'True' }, 'http://collector:4317'],
  [
    { PROTOCOL: 'grpc', ENDPOINT: 'collector:4317', TRACES_INSECURE: 'false', INSECURE: 'true' },
    'https://collector:4317',
  ],
])('the endpoint of %o is %s', (variables, endpoint) => {
  const env = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [`OTEL_EXPORTER_OTLP_${name}`, value]),
  );
  const { otlp } = readExportSettings(env);
  expect(otlp).toMatchObject({ endpoint });
  expect(otlp.tls !== undefined).toBe(endpoint.startsWith('https:'));
});

test.each(['localhost:4317', 'http://[::1]:4317', 'https://collector.example', 'unix:///run/otel.sock'])(
  'gRPC takes %s',
  async (endpoint) => {
    const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
    const transport = await openOtlpTransport(readExportSettings(env).otlp, 'uspan/1');
    await transport.close();
  },
);

test('headers: percent-encoded, those of the traces win', () => {
  const { otlp } = readExportSettings({
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abc==, x-tenant=a',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-tenant=b',
  });
  expect(otlp.headers).toEqual({ authorization: 'Basic abc==', 'x-tenant': 'b' });
});
