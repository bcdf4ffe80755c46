/**
 * Texts of requests come from a connection's buffer if the head is certain to be there, otherwise from the header map. Whatever comes over
 * a connection, in whatever pieces, each span has the texts of its own request.
 */
import { expect, test } from 'vitest';
import { randomFrom } from '../fuzz/random.ts';
import { encodeRequest, RawConnection, type RawRequest } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

interface Sent {
  readonly request: RawRequest;
  readonly host: string;
  readonly userAgent: string | undefined;
  readonly traceId: string | undefined;
}

describeKernel('heads of Go requests', () => {
  leavesNothingInKernel();
  const world = useWorld();

  /** Requests whose paths have the same length, so that only their position tells the heads apart. */
  function requestsOf(random: ReturnType<typeof randomFrom>, from: number, count: number): Sent[] {
    return Array.from({ length: count }, (_, i) => {
      const n = String(from + i).padStart(5, '0');
      const host = random.pick([`host${n}.test`, 'a.test', 'localhost:80']);
      const userAgent = random.pick([`agent/${n}`, undefined, `${'u'.repeat(random.below(400) + 1)}${n}`]);
      const traceId = random.pick([n.padStart(32, 'a'), undefined]);
      const body = random.pick([
        undefined,
        undefined,
        `body ${n}`,
        // It looks like the next head, but is not one.
        `x\r\n\r\nGET /hello?${n} HTTP/1.1\r\nHost: evil.test\r\nUser-Agent: evil\r\n\r\n`,
        `GET /hello?99999 HTTP/1.1\r\nHost: evil.test\r\nUser-Agent: evil\r\nX: `,
        'b'.repeat(random.below(6000)),
      ]);
      const own = random.below(8) === 0;
      const headers: Record<string, string> = {
        Host: host,
        ...(random.below(2) ? { Accept: '*/*', 'X-Filler': 'f'.repeat(random.below(200)) } : {}),
        ...(userAgent === undefined ? {} : { 'User-Agent': userAgent }),
        ...(traceId === undefined ? {} : { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }),
      };
      const target = own ? `http://${host.replace('t', 'z')}/hello?${n}` : `/hello?${n}`;
      const sent = { host: own ? host.replace('t', 'z') : host, userAgent, traceId };
      if (body === undefined) return { request: { target, headers }, ...sent };
      const chunked = random.below(3) === 0 && body.length > 0 ? { chunkBytes: 1 + random.below(50) } : {};
      return { request: { method: 'POST', target, headers, body, ...chunked }, ...sent };
    });
  }

  test.each(['1.21', '1.23', '1.26', '1.27'] as const)('Go %s: 1,200 requests in any pieces', async (go) => {
    const server = await world.server(await world.binary(go), { handler: 'func' });
    const agent = await world.agent({ pids: [server.pid] });
    const random = randomFrom(Number(go.replace('.', '')));
    const all: Sent[] = [];
    while (all.length < 1200) {
      const batch = requestsOf(random, all.length, 1 + random.below(12));
      all.push(...batch);
      const connection = await RawConnection.open(server.port);
      const stream = Buffer.concat(batch.map(({ request }) => encodeRequest(request)));
      if (random.below(2)) {
        // Pipelined, cut anywhere.
        for (let at = 0; at < stream.length; ) {
          const bytes = random.pick([stream.length, 1 + random.below(300), 1 + random.below(30)]);
          connection.send(stream.subarray(at, at + bytes));
          at += bytes;
          if (random.below(3) === 0) await new Promise(setImmediate);
        }
        for (const { request } of batch) await connection.receive(request.method);
      } else {
        for (const { request } of batch) await connection.request(request);
      }
      await connection.close();
    }
    const spans = await spansOf(world.receiver, server.pid, all.length);
    const byQuery = new Map(spans.map((span) => [span.attributes['url.query'], span]));
    expect(byQuery.size).toBe(all.length);
    all.forEach(({ request, host, userAgent, traceId }, n) => {
      const span = byQuery.get(String(n).padStart(5, '0'))!;
      expect({
        method: span.attributes['http.request.method'],
        path: span.attributes['url.path'],
        host: span.attributes['server.address'],
        userAgent: span.attributes['user_agent.original'],
        traceId: traceId && span.traceId,
      }).toEqual({
        method: request.method ?? 'GET',
        path: '/hello',
        host: host.replace(/:\d+$/, ''),
        userAgent,
        traceId,
      });
      expect([span.attributes['uspan.truncated'], span.attributes['uspan.unreadable']]).toEqual([undefined, undefined]);
    });
    expect((await agent.stop()).report.lost).toEqual([]);
  });
});
