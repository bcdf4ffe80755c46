/**
 * Each source of spans makes correct spans under every supported kernel. scripts/test-kernels.sh also runs it in qemu. USDT pairs and Go
 * servers are in core.test.ts. A guest compiles and fetches nothing.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadNative } from '../../src/native.ts';
import type { Report } from '../../src/report.ts';
import { startAgent } from '../support/agent.ts';
import { RawConnection } from '../support/http.ts';
import { watchKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { startPostgres } from '../support/postgres.ts';
import { spansByKind, startLinkPrograms } from './go-link-world.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { openNodeWorld } from './node-world.ts';

/** An emulated machine is 10 to 30 times slower. */
const withinMs = 120_000;
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentSpanId}-01`;

/** Hits of a definition, by the name of the moment. */
function hits({ probes }: Report, definition: string): Record<string, number> {
  const its = probes.filter((probe) => probe.definition === definition);
  return Object.fromEntries(its.map(({ moment, hits }) => [moment, hits]));
}

describeKernel('every source of spans', () => {
  const watch = watchKernel();
  afterAll(() => watch.assertNothingLeft(withinMs));
  const link = loadNative().probeFeature('uprobeMulti').supported ? 'uprobe_multi' : 'perf';

  function nothingWrong(report: Report): void {
    expect(report.lost).toEqual([]);
    expect(report.skipped.filter(({ reason }) => reason === 'attach_failed')).toEqual([]);
    expect(new Set(report.probes.map((probe) => probe.link))).toEqual(new Set([link]));
  }

  test('Go: a server, the calls it makes, and its statements', { timeout: 900_000 }, async () => {
    const receiver = await startOtlpReceiver();
    const programs = await startLinkPrograms('1.26');
    try {
      const { app } = programs;
      const agent = await startAgent({ endpoint: receiver.endpoint, pids: [app.pid] });
      const connection = await RawConnection.open(app.port);
      await connection.request({ target: '/same?id=a', headers: { traceparent } });
      await connection.close();
      await app.run('get', { path: '/status/503' });
      const { server, client, sql } = await spansByKind(receiver, app.pid, { server: 1, client: 2, sql: 8 }, withinMs);
      expect(server[0]).toMatchObject({ traceId, parentSpanId, attributes: { 'url.path': '/same' } });
      const { spanId } = server[0]!;
      expect(client).toMatchObject([
        { traceId, parentSpanId: spanId, status: { code: 0 }, attributes: { 'http.response.status_code': 200 } },
        { parentSpanId: undefined, status: { code: 2 }, attributes: { 'error.type': '503' } },
      ]);
      for (const statement of sql)
        expect(statement).toMatchObject({ traceId, parentSpanId: spanId, status: { code: 0 } });
      const { report } = await agent.stop();
      nothingWrong(report);
      expect(hits(report, 'go/net/http/server')).toMatchObject({ start: 1, end: 1, panic: 0 });
      expect(report.spans).toMatchObject({ server: 1, client: 10 });
    } finally {
      await programs.close();
      await receiver.close();
    }
  });

  test('Node.js: a server and a client', { timeout: 900_000 }, async () => {
    const world = await openNodeWorld();
    try {
      const program = await world.fixture(await world.binary());
      const agent = await world.agent({ pids: [program.pid] });
      for (const status of [200, 404, 503]) {
        const url = `http://127.0.0.1:${program.port}/status/${status}`;
        await program.control(`call ${JSON.stringify({ url, headers: { traceparent } })}`);
      }
      const spans = await spansOf(world.receiver, program.pid, 6, withinMs);
      const of = (kind: number) => spans.filter((span) => span.kind === kind);
      const told = ({ attributes, status }: DecodedSpan) => [attributes['http.response.status_code'], status.code];
      expect(of(2).map(told)).toEqual([
        [200, 0],
        [404, 0],
        [503, 2],
      ]);
      expect(of(3).map(told)).toEqual([
        [200, 0],
        [404, 2],
        [503, 2],
      ]);
      for (const span of of(2)) expect(span).toMatchObject({ traceId, parentSpanId });
      const { report } = await agent.stop();
      nothingWrong(report);
      expect(report.counters.node_requests).toBe(6);
      expect(report.spans).toMatchObject({ server: 3, client: 3 });
    } finally {
      await world.close();
    }
  });

  test('PostgreSQL, and pg in Node.js: both ends of a statement', { timeout: 900_000 }, async () => {
    execFileSync('make', [
      '-C',
      join(import.meta.dirname, '../../examples/node-app'),
      'node_modules/.package-lock.json',
    ]);
    const world = await openNodeWorld();
    const postgres = await startPostgres();
    try {
      await postgres.psql('CREATE TABLE items (id int PRIMARY KEY)');
      const program = await world.fixture(await world.binary(), 'node-pg', { env: postgres.env });
      const agent = await world.agent({ pids: [program.pid, postgres.pid] });
      const run = (...statements: { text: string; values?: number[] }[]) =>
        program.control(`run ${JSON.stringify(statements)}`);
      // The first statement of a connection from before the agent tells it that it speaks PostgreSQL's protocol.
      await run({ text: 'SELECT 1' });
      await run(
        { text: `SELECT id FROM items /*traceparent='${traceparent}'*/` },
        { text: 'SELECT count(*) FROM items WHERE id = $1', values: [1] },
        { text: 'SELECT * FROM nowhere' },
      );
      const client = await spansOf(world.receiver, program.pid, 4, withinMs);
      const told = ({ name, attributes, status }: DecodedSpan) => [
        name,
        attributes['db.response.status_code'],
        status.code,
      ];
      const expected = [
        ['SELECT', undefined, 0],
        ['SELECT items', undefined, 0],
        ['SELECT items', undefined, 0],
        ['SELECT nowhere', '42P01', 2],
      ];
      expect(client.map(told)).toEqual(expected);
      const server = await spansOf(world.receiver, postgres.pid, 4, withinMs);
      expect(server.map(told)).toEqual(expected);
      for (const span of [client[1], server[1]]) expect(span).toMatchObject({ traceId, parentSpanId });
      for (const span of [client[2], server[2]]) expect(span!.parentSpanId).toBeUndefined();
      const { report } = await agent.stop();
      nothingWrong(report);
      expect(hits(report, 'postgresql').executed).toBeGreaterThanOrEqual(3);
      expect(report.spans).toMatchObject({ client: 4, server: 4 });
    } finally {
      await world.close();
      await postgres.stop();
    }
  });
});
