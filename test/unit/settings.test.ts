/** The one table of settings: where each comes from, which source wins, and what an error says of a wrong value. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commands, flagsOf } from '../../src/cli/flags.ts';
import { exportSettingsOf } from '../../src/settings/export-settings.ts';
import { readSettings, settingsOf } from '../../src/settings/read-settings.ts';
import { rows, table } from '../../src/settings/table.ts';
import { readRun } from '../support/settings.ts';

describe('the table', () => {
  test('every setting can be set somewhere, and no place sets two', () => {
    for (const [name, { flag, environment, yaml }] of rows) {
      expect([flag, environment, yaml].some(Boolean), name).toBe(true);
    }
    for (const places of [
      rows.flatMap(([, { flag }]) => flag?.split(' ')[0] ?? []),
      rows.flatMap(([, { environment }]) => environment ?? []),
      rows.flatMap(([, { yaml }]) => yaml ?? []),
    ]) {
      expect(places.length).toBeGreaterThan(10);
      expect(new Set(places).size).toBe(places.length);
    }
  });

  test('no key of the file is a part of another', () => {
    const keys = rows.flatMap(([, { yaml }]) => yaml ?? []);
    for (const key of keys) expect(keys.filter((other) => other.startsWith(`${key}.`))).toEqual([]);
  });

  test('every flag of a setting is one of run, and every default is a value that may be given', () => {
    const ofRun = new Set<string>(flagsOf(commands.run).map(([name]) => name));
    for (const [name, { flag }] of rows) if (flag) expect([name, ofRun.has(name)]).toEqual([name, true]);
    for (const [name, { initial, value, repeatable }] of rows) {
      if (repeatable || initial === undefined || typeof initial === 'object') continue;
      expect([name, value.parse(String(initial))]).toEqual([name, initial]);
    }
  });

  test('what only one run is about is not set by a file', () => {
    for (const name of ['configFile', 'console', 'json', 'reportFile', 'pids'] as const) {
      expect(table[name]).not.toHaveProperty('yaml');
    }
  });
});

describe('of several sources', () => {
  test.each([
    ['--log-level debug', { USPAN_LOG_LEVEL: 'warn' }, 'log_level: error', 'debug'],
    ['', { USPAN_LOG_LEVEL: 'warn' }, 'log_level: error', 'warn'],
    ['', { USPAN_LOG_LEVEL: ' ' }, 'log_level: error', 'error'],
    ['', {}, '', 'info'],
  ])('%j, %j and %j: the flag before the variable, that before the file, that before the default', (...all) => {
    const [flags, environment, yaml, expected] = all;
    expect(readRun(flags, environment, yaml).logLevel).toBe(expected);
  });

  test('a list comes whole from the first that has one', () => {
    const yaml = 'targets:\n  exe: [a, b]\n  ports: [80]\n';
    expect(readRun('--exe c', {}, yaml)).toMatchObject({ exeGlobs: ['c'], ports: [80] });
    expect(readRun('', {}, yaml)).toMatchObject({ exeGlobs: ['a', 'b'], ports: [80], excludeExeGlobs: [] });
  });

  test('but what is left out adds up', () => {
    expect(readRun('--without go/*', {}, 'without: [jvm/gc]').without).toEqual(['go/*', 'jvm/gc']);
    expect(readRun('', {}, 'without: [jvm/gc]').without).toEqual(['jvm/gc']);
    expect(readRun('--without go/*').without).toEqual(['go/*']);
  });

  test('the variable of the traces goes before that of all signals', () => {
    const environment = { OTEL_EXPORTER_OTLP_TIMEOUT: '1', OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2' };
    expect(readRun('', environment, 'export: { timeout_ms: 3 }').otlpTimeoutMs).toBe(2);
    expect(readRun('', { OTEL_EXPORTER_OTLP_TIMEOUT: '1' }).otlpTimeoutMs).toBe(1);
  });
});

test('everything a file can say', () => {
  const yaml = `
targets: { exe: ["*/shop"], ports: [80, 443], exclude_exe: [sshd] }
single_step: true
instrumented: false
allow_second: true
without: [jvm/gc]
service_name: shop
redact_query: [default, ssn]
limits: { max_in_flight: 64, max_path_bytes: 100, max_statement_bytes: 200, ring_bytes: 65536 }
log_level: debug
sampler: { name: traceidratio, argument: 0.25 }
export:
  to: [otlp, console]
  protocol: grpc
  endpoint: collector:4317
  headers: { x-tenant: 50%, authorization: "Basic abc==" }
  compression: gzip
  timeout_ms: 500
  certificate: /etc/passwd
  client_certificate: /etc/passwd
  client_key: /etc/passwd
  insecure: false
  delay_ms: 250
  max_batch_spans: 100
  max_batch_bytes: 65536
  max_queue_spans: 1000
  max_queue_bytes: 1048576
`;
  const settings = readRun('', {}, yaml);
  expect(settings).toMatchObject({
    exeGlobs: ['*/shop'],
    ports: [80, 443],
    excludeExeGlobs: ['sshd'],
    allowSingleStep: true,
    allowInstrumented: false,
    allowSecond: true,
    without: ['jvm/gc'],
    serviceName: 'shop',
    redactedQueryKeys: ['default', 'ssn'],
    maxInFlight: 64,
    maxPathBytes: 100,
    maxStatementBytes: 200,
    ringBytes: 65536,
    logLevel: 'debug',
    sampler: 'traceidratio',
    samplerArgument: '0.25',
  });
  expect(exportSettingsOf(settings)).toEqual({
    exporters: ['otlp', 'console'],
    otlp: {
      protocol: 'grpc',
      endpoint: 'https://collector:4317',
      headers: { 'x-tenant': '50%', authorization: 'Basic abc==' },
      compression: 'gzip',
      timeoutMs: 500,
      tls: { caFile: '/etc/passwd', certFile: '/etc/passwd', keyFile: '/etc/passwd' },
    },
    batch: {
      scheduleDelayMs: 250,
      maxBatchSpans: 100,
      maxBatchBytes: 65_536,
      maxQueueSpans: 1000,
      maxQueueBytes: 1_048_576,
      maxConcurrentExports: 2,
    },
  });
  // This file has every key except `probes`, which has tests of its own.
  const keys = rows.flatMap(([, setting]) => setting.yaml ?? []).filter((key) => key !== 'probes');
  for (const key of keys) expect(yaml).toMatch(new RegExp(`\\b${key.split('.').at(-1)}:`));
});

describe('a wrong value is told with its place and what is allowed', () => {
  function refused(yaml: string): string {
    try {
      readRun('', {}, yaml);
    } catch (error) {
      const { code, on, message } = error as { code: string; on: string; message: string };
      return `${code} ${on} ${message}`;
    }
    throw new Error(`accepted: ${yaml}`);
  }

  test.each([
    ['limits: { ring_bytes: 100000 }', 'u.yaml:1:23 limits.ring_bytes must be a power of two from 65536'],
    ['log_level: loud', 'u.yaml:1:12 log_level must be one of fatal, error, warn'],
    ['log_level: [info]', 'u.yaml:1:12 log_level must be a single value'],
    ['targets:\n  ports: [80, http]', 'u.yaml:2:15 targets.ports[1] must be a whole number from 1 to 65535'],
    ['targets:\n  port: 80', 'u.yaml:2:3 targets.port is none of exe, ports, exclude_exe'],
    ['targets: shop', 'u.yaml:1:10 targets must be a mapping'],
    ['single_step: 1', 'u.yaml:1:14 single_step must be true or false'],
    ['sampler: { name: traceidratio, argument: 2 }', 'u.yaml:1:42 sampler.argument must be a number from 0 to 1'],
    ['export: { endpoint: collector }', 'u.yaml:1:21 export.endpoint must be an OTLP endpoint for http/protobuf'],
    ['export: { certificate: /nowhere }', 'u.yaml:1:24 export.certificate must be the path of a file that can be read'],
    ['export: { headers: [a] }', 'u.yaml:1:20 export.headers must be a mapping'],
  ])('%j', (yaml, message) => {
    expect(refused(yaml)).toContain(`E_CONFIG ${message}`);
  });

  test('also where a flag wins', () => {
    expect(() => readRun('--log-level info', { USPAN_LOG_LEVEL: 'loud' })).toThrow('USPAN_LOG_LEVEL is "loud"');
    expect(() => readRun('--log-level info', {}, 'log_level: loud')).toThrow('log_level must be one of');
  });

  test.each([
    [{ USPAN_LOG_LEVEL: 'loud' }, 'USPAN_LOG_LEVEL is "loud", but must be one of fatal'],
    [{ OTEL_TRACES_EXPORTER: 'otlp,zipkin' }, 'OTEL_TRACES_EXPORTER is "zipkin", but must be one of otlp'],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'collector' },
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is "collector", but must be an OTLP endpoint for http/protobuf',
    ],
  ])('%j', (environment, message) => {
    expect(() => settingsOf({ environment })).toThrow(
      expect.objectContaining({ code: 'E_USAGE', message: expect.stringContaining(message) }),
    );
  });
});

test('the file is named by a flag or by a variable', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-settings-'));
  try {
    const [one, other] = ['one.yaml', 'other.yaml'].map((name) => join(directory, name)) as [string, string];
    writeFileSync(one, 'log_level: debug');
    writeFileSync(other, 'log_level: warn');
    expect(await readSettings({}, { USPAN_CONFIG: one })).toMatchObject({ configFile: one, logLevel: 'debug' });
    expect(await readSettings({ configFile: other }, { USPAN_CONFIG: one })).toMatchObject({ logLevel: 'warn' });
    await expect(readSettings({}, { USPAN_CONFIG: join(directory, 'none') })).rejects.toThrow(
      expect.objectContaining({ code: 'E_CONFIG' }),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
