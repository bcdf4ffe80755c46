import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeRequest, RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { NodeFixture } from '../support/node-fixture.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

const traceparent = (flags: string) => `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${flags}`;

describeKernel('Node.js: what is not sampled, and what finds no room', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let server: NodeFixture;
  beforeAll(async () => {
    world = await openNodeWorld();
    server = await world.fixture(await world.binary());
  }, 300_000);
  afterAll(() => world.close());

  test('the caller decides, else the sampler; pipelined ones keep their order', async () => {
    const agent = await world.agent({ pids: [server.pid], env: { OTEL_TRACES_SAMPLER: 'parentbased_always_off' } });
    const connection = await RawConnection.open(server.port);
    const flags = ['01', undefined, '00', '01', undefined, '01'];
    const encoded = flags.map((flag, i) =>
      encodeRequest({ target: `/status/${200 + i}`, headers: flag ? { traceparent: traceparent(flag) } : {} }),
    );
    connection.send(Buffer.concat(encoded));
    for (const _ of flags) await connection.receive();
    await connection.close();
    const spans = await spansOf(world.receiver, server.pid, 3);
    expect(spans.map(({ attributes }) => [attributes['url.path'], attributes['http.response.status_code']])).toEqual([
      ['/status/200', 200],
      ['/status/203', 203],
      ['/status/205', 205],
    ]);
    const { report } = await agent.stop();
    expect(report.lost).toEqual([]);
    expect(report.counters).toMatchObject({ node_requests: 6, spans: 3, sampled_out: 3 });
  });

  test('more pipelined requests than there is room for: the others are right, these are counted', async () => {
    const agent = await world.agent({ pids: [server.pid], extra: ['--max-in-flight=64'] });
    const connection = await RawConnection.open(server.port);
    const count = 150;
    const gate = encodeRequest({ target: '/gate' });
    const rest = Array.from({ length: count }, (_, i) => encodeRequest({ target: `/status/${400 + i}` }));
    connection.send(Buffer.concat([gate, ...rest]));
    await server.until(({ gated }) => gated === 1);
    await server.control('release');
    for (let i = 0; i <= count; i++) await connection.receive();
    await connection.request({ target: '/hello' });
    await connection.close();
    const { report } = await agent.stop();
    const spans = world.receiver.spans().slice(3);
    for (const { attributes } of spans) {
      const path = String(attributes['url.path']);
      const status = path.startsWith('/status/') ? Number(path.slice('/status/'.length)) : 200;
      expect(attributes['http.response.status_code'], path).toBe(status);
    }
    // The first one of a connection needs no room of its own.
    expect(spans.some(({ attributes }) => attributes['url.path'] === '/gate')).toBe(true);
    expect(spans.some(({ attributes }) => attributes['url.path'] === '/hello')).toBe(true);
    expect(report.counters.lost_in_flight_full).toBeGreaterThan(0);
    expect(report.counters.node_requests).toBe(spans.length);
    expect(spans.length + report.counters.lost_in_flight_full!).toBe(count + 2);
  });

  test('what the server answers itself is counted, on new connections and on used ones', async () => {
    const replying = await world.fixture(await world.binary(), 'node-http', { env: { OWN_REPLIES: '1' } });
    const agent = await world.agent({ pids: [replying.pid] });
    const fresh = await RawConnection.open(replying.port);
    fresh.send('this is no request\r\n\r\n');
    expect((await fresh.receive()).status).toBe(400);
    const used = await RawConnection.open(replying.port);
    await used.request({ target: '/hello' });
    used.send('this is no request\r\n\r\n');
    expect((await used.receive()).status).toBe(400);
    await Promise.all([fresh.close(), used.close()]);
    const { report } = await agent.stop();
    expect(report.counters).toMatchObject({ server_replied: 2, spans: 1 });
    expect(report.lost).toEqual([]);
  });
});
