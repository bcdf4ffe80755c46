/** What shows that an OpenTelemetry SDK runs in a process, and is not only a part of its program. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  configuredBy,
  hasProcessContext,
  parseOtlpConnections,
  runningOtelSdk,
} from '../../src/discovery/processes/otel-sdk.ts';

test.each([
  ['7f00-7f01 rw-p 00000000 00:01 12 /memfd:OTEL_CTX (deleted)', true],
  ['7f00-7f01 rw-p 00000000 00:01 12                         /memfd:OTEL_CTX', true],
  ['7f00-7f01 rw-p 00000000 00:01 12                         [anon_shmem:OTEL_CTX]', true],
  ['7f00-7f01 rw-p 00000000 00:00 0                          [anon:OTEL_CTX]', true],
  ['7f00-7f01 rw-p 00000000 00:00 0                          [anon:OTEL_CTX_OLD]', false],
  ['7f00-7f01 rw-p 00000000 00:01 12 /memfd:OTEL_CTX_BACKUP (deleted)', false],
  ['7f00-7f01 rw-p 00000000 08:01 12 /tmp/memfd:OTEL_CTX', false],
  ['', false],
])('process context: %s', (line, expected) => {
  expect(hasProcessContext(`5500-5501 r-xp 00000000 08:01 9 /bin/x\n${line}\n7fff-8000 rw-p 0 00:00 0 [stack]\n`)).toBe(
    expected,
  );
});

test.each<[Record<string, string>, string | undefined]>([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, 'OTEL_TRACES_EXPORTER'],
  [{ OTEL_EXPORTER_ZIPKIN_ENDPOINT: 'http://z:9411' }, 'OTEL_EXPORTER_ZIPKIN_ENDPOINT'],
  // No-ops.
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'True' }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_TRACES_EXPORTER: 'none' }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
  // They say nothing of traces.
  [{ OTEL_SERVICE_NAME: 'shop', OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c:4318' }, undefined],
  [{}, undefined],
])('%j', (environ, expected) => {
  expect(configuredBy(new Map(Object.entries(environ)))).toBe(expected);
});

describe('connections to an OTLP receiver', () => {
  test('in the table of sockets', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:10DE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000 100 0 0 10 0',
      '   1: 0100007F:9C40 0100007F:10DD 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0000 20 4 30 10 -1',
      '   2: 0100007F:9C41 0100007F:10DE 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0000 20 4 30 10 -1',
      '   3: 0100007F:9C42 0100007F:10DE 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0000',
      '   4: 0100007F:10DE 0100007F:9C41 01 00000000:00000000 00:00000000 00000000     0        0 15 1 0000 20 4 30 10 -1',
      '',
    ];
    expect([...parseOtlpConnections(table.join('\n'))]).toEqual([
      ['12', 4317],
      ['13', 4318],
    ]);
  });

  test('of a process', async () => {
    const server = createServer().listen(4318, '127.0.77.1');
    await once(server, 'listening');
    // What receives OTLP is not an SDK.
    expect(runningOtelSdk(process.pid)?.seen ?? false).toBe(false);
    const socket = connect(4318, '127.0.77.1');
    await once(socket, 'connect');
    expect(runningOtelSdk(process.pid)).toEqual({ detail: 'is connected to port 4318 (OTLP)', seen: true });
    socket.destroy();
    server.close();
  });

  test('of a process that is gone', () => {
    expect(runningOtelSdk(2 ** 22 + 1)).toBeUndefined();
  });
});
