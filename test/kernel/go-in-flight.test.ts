import { once } from 'node:events';
import { connect } from 'node:http2';
import { expect, test } from 'vitest';
import { concurrently, get, RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { hitsOf, spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('requests in flight', () => {
  leavesNothingInKernel();
  const world = useWorld();

  test.each([200, 2000])('%i at once: each has its span', async (count) => {
    const server = await world.server(await world.binary());
    const agent = await world.agent({ pids: [server.pid] });
    const answers = concurrently(count, (n) => get(server.port, `/gate?${n}`));
    await server.until(({ gated }) => gated === count, 30_000);
    expect(await server.release()).toBe(count);
    await answers;
    const spans = await spansOf(world.receiver, server.pid, count);
    expect(new Set(spans.map((span) => span.attributes['url.query'])).size).toBe(count);
    for (const span of spans) expect(span.attributes['http.response.status_code']).toBe(200);
    // They were all open at the same moment, and their times show it.
    const lastStart = spans.reduce((max, { startUnixNs }) => (startUnixNs > max ? startUnixNs : max), 0n);
    for (const { endUnixNs } of spans) expect(endUnixNs).toBeGreaterThan(lastStart);
    const stopped = await agent.stop();
    expect(stopped.report).toMatchObject({ spans: { server: count }, lost: [] });
    expect([hitsOf(stopped, 'start'), hitsOf(stopped, 'end')]).toEqual([count, count]);
  });

  test('more than the limit: the surplus is counted, the rest is right, and it recovers', async () => {
    const server = await world.server(await world.binary());
    const agent = await world.agent({ pids: [server.pid], extra: ['--max-in-flight=64'] });
    const count = 500;
    const answers = concurrently(count, (n) => get(server.port, `/gate?${n}`));
    await server.until(({ gated }) => gated === count, 30_000);
    await server.release();
    await answers;
    // Twice the limit, because there are no finished requests whose entries are kept.
    const kept = 128;
    const spans = await spansOf(world.receiver, server.pid, kept);
    expect(new Set(spans.map((span) => span.attributes['url.query'])).size).toBe(kept);

    const connection = await RawConnection.open(server.port);
    for (let n = 0; n < 100; n++) await connection.request({ target: '/hello' });
    await connection.close();
    for (let n = 0; n < 100; n++) await get(server.port, '/hello');
    await spansOf(world.receiver, server.pid, kept + 200);
    const { report } = await agent.stop();
    expect(report.lost).toEqual([{ stage: 'bpf', reason: 'in_flight_full', count: count - kept }]);
    expect(report.counters).toMatchObject({ lost_in_flight_full: count - kept, end_without_start: count - kept });
  });

  test('HTTP/2 requests, which are not followed, take no place from others', async () => {
    const server = await world.server(await world.binary(), { h2: true });
    const agent = await world.agent({ pids: [server.pid], extra: ['--max-in-flight=64'] });
    const session = connect(`https://127.0.0.1:${server.tlsPort}`, { rejectUnauthorized: false });
    await once(session, 'connect');
    const streams = Array.from({ length: 200 }, async () => {
      const stream = session.request({ ':path': '/gate' });
      stream.resume();
      await once(stream, 'end');
    });
    await server.until(({ gated }) => gated === 200);
    // Goroutines of their own, while the others still have theirs.
    const answers = concurrently(64, () => get(server.port, '/gate'));
    await server.until(({ gated }) => gated === 264);
    await server.release();
    await Promise.all([...streams, answers]);
    session.close();
    await once(session, 'close');
    await spansOf(world.receiver, server.pid, 64);
    const { report } = await agent.stop();
    expect(report.counters).toMatchObject({ skipped_http2: 200, lost_in_flight_full: 0, spans: 64 });
  });

  test('requests already running when the probes come are not invented', async () => {
    const server = await world.server(await world.binary());
    const before = concurrently(20, () => get(server.port, '/gate'));
    await server.until(({ gated }) => gated === 20);
    const agent = await world.agent({ pids: [server.pid] });
    const during = concurrently(30, () => get(server.port, '/gate'));
    await server.until(({ gated }) => gated === 50);
    await server.release();
    await Promise.all([before, during]);
    await spansOf(world.receiver, server.pid, 30);
    const { report } = await agent.stop();
    expect(report).toMatchObject({ spans: { server: 30 }, lost: [] });
    expect(report.counters.end_without_start).toBe(20);
  });

  test('requests still running when the agent stops are counted', async () => {
    const server = await world.server(await world.binary());
    const agent = await world.agent({ pids: [server.pid] });
    await get(server.port, '/hello');
    const during = concurrently(7, () => get(server.port, '/gate'));
    await server.until(({ gated }) => gated === 7);
    const { report } = await agent.stop();
    await server.release();
    await during;
    expect(world.receiver.spanCount).toBe(1);
    expect(report.lost).toEqual([{ stage: 'bpf', reason: 'unfinished_at_exit', count: 7 }]);
  });

  test('requests of a process that ends are counted', async () => {
    const server = await world.server(await world.binary());
    const agent = await world.agent({ pids: [server.pid] });
    const during = concurrently(9, () => get(server.port, '/gate').catch(() => 'closed'));
    await server.until(({ gated }) => gated === 9);
    process.kill(server.pid, 'SIGKILL');
    expect(new Set(await during)).toEqual(new Set(['closed']));
    const { report } = await agent.stop();
    expect(report.lost.map(({ reason, count }) => [/process_ended|unfinished_at_exit/.test(reason), count])).toEqual([
      [true, 9],
    ]);
    expect(world.receiver.spanCount).toBe(0);
  });
});
