import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import { useWorld } from '../kernel/go-world.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { startAgent } from '../support/agent.ts';
import { buildGoFixture, type GoFixture, startGoFixture } from '../support/go-fixture.ts';
import { concurrently, get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { runProcess } from '../support/process.ts';

const lostBy = (report: Report, reason: string) =>
  report.lost.filter((loss) => loss.reason === reason).reduce((sum, { count }) => sum + count, 0);

/** Connections of a loopback port that its server has not closed yet, including those that still have requests to serve. */
function openConnections(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const closed = ['06' /* TIME_WAIT */, '0A' /* LISTEN */];
  const rows = readFileSync('/proc/net/tcp', 'latin1').trim().split('\n').slice(1);
  return rows.filter((row) => {
    const [, address, , state] = row.trim().split(/\s+/);
    return address === local && !closed.includes(state!);
  }).length;
}

/**
 * Full speed on `connections` for `seconds`, beside `others`. Resolves when the server is done, with the number of requests that it has
 * finished so far.
 */
async function hammer(server: GoFixture, seconds: number, connections = 64, others = 0): Promise<number> {
  const args = [`-c${connections}`, '-t2', `-d${seconds}s`, `http://127.0.0.1:${server.port}/hello`];
  const { code, stdout, stderr } = await runProcess('wrk', args);
  expect(code, stdout + stderr).toBe(0);
  // The server may not have read yet what wrk sent last.
  await server.until(() => openConnections(server.port) === others, 30_000);
  return (await server.stats()).finished;
}

// The server counts its requests itself. wrk does not know of those that it broke off at its end.
describeKernel('every request is a span or a counted loss', () => {
  leavesNothingInKernel();
  let receiver: OtlpReceiver;
  let server: GoFixture;
  beforeEach(async () => {
    receiver = await startOtlpReceiver({ countOnly: true });
    server = await startGoFixture(await buildGoFixture({ go: '1.27', variant: 'stripped' }));
  });
  afterEach(async () => {
    await server.stop();
    await receiver.close();
  });

  test.each(['grpc', 'http/protobuf'] as const)('wrk, 64 connections at full speed, over %s', async (protocol) => {
    await using own = await startOtlpReceiver({ protocol, countOnly: true });
    const agent = await startAgent({ pids: [server.pid], endpoint: own.endpoint, protocol });
    const requests = await hammer(server, 4);
    const { report } = await agent.stop();
    expect(requests).toBeGreaterThan(1000);
    expect(own.spanCount).toBe(report.exported);
    expect(report.exported + report.lostTotal).toBe(requests);
    expect(report.counters.refired).toBe(0);
  });

  test('a ring buffer far too small: what did not fit is counted', async () => {
    const extra = ['--ring-bytes=65536'];
    const agent = await startAgent({ pids: [server.pid], endpoint: receiver.endpoint, extra });
    const requests = await hammer(server, 3);
    const { report } = await agent.stop();
    expect(lostBy(report, 'ring_full')).toBe(report.counters.lost_ring_full);
    expect(report.counters.lost_ring_full).toBeGreaterThan(0);
    expect(receiver.spanCount + report.lostTotal).toBe(requests);
  });

  test('fewer requests followed at a time than there are: counted', async () => {
    // The map keeps twice as many: see in_flight in bpf/go/go_http.bpf.c.
    const extra = ['--max-in-flight=64'];
    const agent = await startAgent({ pids: [server.pid], endpoint: receiver.endpoint, extra });
    const gated = concurrently(128, () => get(server.port, '/gate'));
    await server.until((stats) => stats.gated === 128);
    const requests = await hammer(server, 1, 32, 128);
    await server.release();
    await gated;
    const { report } = await agent.stop();
    expect(report.counters.lost_in_flight_full).toBe(requests);
    expect(receiver.spanCount).toBe(128);
  });

  test('a collector that refuses, and one that does not exist', async () => {
    receiver.behaviour = { kind: 'refuse' };
    const refused = await startAgent({ pids: [server.pid], endpoint: receiver.endpoint });
    for (let n = 0; n < 50; n++) await get(server.port, '/hello');
    const { report } = await refused.stop();
    expect(report).toMatchObject({ spans: { server: 50 }, exported: 0, lostTotal: 50 });

    await receiver.close();
    const alone = await startAgent({ pids: [server.pid], endpoint: receiver.endpoint });
    for (let n = 0; n < 50; n++) await get(server.port, '/hello');
    const stopped = await alone.stop();
    expect(stopped.report).toMatchObject({ spans: { server: 50 }, exported: 0, lostTotal: 50 });
    expect(stopped.stderr).toMatch(/cannot export/);
  });

  test('a collector that comes back gets what waited', async () => {
    const { port } = receiver;
    await receiver.close();
    const agent = await startAgent({ pids: [server.pid], endpoint: receiver.endpoint });
    for (let n = 0; n < 50; n++) await get(server.port, '/hello');
    await using back = await startOtlpReceiver({ port });
    await back.waitForSpans(50, 30_000);
    const { report } = await agent.stop();
    expect(report).toMatchObject({ exported: 50, lost: [] });
  });
});

describeKernel('a program the agent does not know yet', () => {
  const world = useWorld();

  test('a first request in a fresh process has all its texts', async () => {
    // Nothing touched the program's own pages before. What a probe reads must be there nevertheless.
    const path = await world.binary('1.26');
    const agent = await world.agent({ exeGlobs: [path] });
    const first = await world.server(path);
    await agent.attached(first.pid);
    for (let n = 0; n < 10; n++) {
      const server = await world.server(path);
      await get(server.port, '/items/1?a=b');
      await server.stop();
    }
    const spans = await world.receiver.waitForSpans(10, 20_000);
    for (const span of spans) {
      expect(span.name).toBe('GET /items/{id}');
      expect(span.attributes).toMatchObject({
        'url.path': '/items/1',
        'url.query': 'a=b',
        'server.address': 'localhost',
      });
      expect(span.attributes['uspan.unreadable']).toBeUndefined();
    }
  });
});
