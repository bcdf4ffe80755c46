import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningAgent } from '../support/agent.ts';
import type { GoFixture, GoRelease } from '../support/go-fixture.ts';
import { concurrently, encodeRequest, get, RawConnection, requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { hitsOf, openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

const statusOf = (span: DecodedSpan) => span.attributes['http.response.status_code'];

describeKernel('every way in which a request can end', () => {
  leavesNothingInKernel();

  // Go 1.23 changed what the deferred function of conn.serve calls after a panic.
  describe.each<GoRelease>(['1.21', '1.22', '1.23', '1.27'])('Go %s', (go) => {
    let world: World;
    let server: GoFixture;
    let agent: RunningAgent;
    let seen = 0;
    /** The next `count` spans, oldest first. */
    const next = async (count: number): Promise<DecodedSpan[]> => {
      seen += count;
      return (await spansOf(world.receiver, server.pid, seen)).slice(-count);
    };

    beforeAll(async () => {
      world = await openWorld();
      server = await world.server(await world.binary(go));
      agent = await world.agent({ pids: [server.pid] });
    });
    afterAll(() => world.close());

    test('240 panics are 240 errors, and spans go on', async () => {
      const healthy = await RawConnection.open(server.port);
      await healthy.request({ target: '/hello' });
      const answers = await concurrently(240, () => get(server.port, '/panic').catch(() => 'closed'));
      expect(new Set(answers)).toEqual(new Set(['closed']));
      await healthy.request({ target: '/hello' });
      await healthy.close();
      await get(server.port, '/hello');
      const spans = await next(243);
      const panics = spans.filter((span) => span.attributes['url.path'] === '/panic');
      expect(panics).toHaveLength(240);
      for (const { attributes, status } of panics) {
        expect(status.code).toBe(2);
        expect(attributes['error.type']).toBe('panic');
        expect(attributes['http.response.status_code']).toBeUndefined();
      }
    });

    test('ErrAbortHandler and Goexit leave the handler too', async () => {
      for (const target of ['/abort', '/goexit']) await expect(get(server.port, target)).rejects.toThrow('closed');
      const spans = await next(2);
      for (const span of spans) expect([span.status.code, statusOf(span)]).toEqual([2, undefined]);
      expect(spans.map((span) => span.attributes['error.type'])).toEqual(['panic', 'goexit']);
    });

    test('a client that goes away: aborted', async () => {
      const reader = await RawConnection.open(server.port);
      reader.send(encodeRequest({ target: '/big' }));
      await reader.receiveBytes(100_000);
      reader.abort();
      const waiter = await RawConnection.open(server.port);
      waiter.send(encodeRequest({ target: '/gate' }));
      await server.until(({ gated }) => gated === 1);
      waiter.abort();
      for (const span of await next(2)) {
        expect(span.attributes['error.type']).toBe('aborted');
        expect(span.status.code).toBe(2);
        expect(statusOf(span)).toBe(200);
      }
    });

    test('a connection taken over ends with its handler, without a status', async () => {
      const connection = await RawConnection.open(server.port);
      expect((await connection.request({ target: '/hijack' })).status).toBe(101);
      connection.send('ping');
      expect((await connection.receiveBytes(4)).toString()).toBe('ping');
      await connection.close();
      const [span] = await next(1);
      expect(span!.attributes).toMatchObject({ 'url.path': '/hijack', 'uspan.connection.hijacked': true });
      expect(statusOf(span!)).toBeUndefined();
      expect(span!.status.code).toBe(0);
    });

    test('a connection taken over after the status was written: both are told', async () => {
      const connection = await RawConnection.open(server.port);
      expect((await connection.request({ target: '/upgrade' })).status).toBe(101);
      connection.send('ping');
      expect((await connection.receiveBytes(4)).toString()).toBe('ping');
      await connection.close();
      const [span] = await next(1);
      expect(span!.attributes).toMatchObject({ 'url.path': '/upgrade', 'uspan.connection.hijacked': true });
      expect(statusOf(span!)).toBe(101);
      expect(span!.status.code).toBe(0);
    });

    test('the status is the one that was sent', async () => {
      for (const target of ['/none', '/double', '/hints', '/status/500', '/status/999', '/nowhere']) {
        await get(server.port, target);
      }
      const spans = await next(6);
      expect(spans.map(statusOf)).toEqual([200, 201, 404, 500, 999, 404]);
      expect(spans.map(({ status }) => status.code)).toEqual([0, 0, 0, 2, 2, 0]);
      expect(spans.map((span) => span.attributes['error.type'])).toEqual([
        undefined,
        undefined,
        undefined,
        '500',
        '999',
        undefined,
      ]);
    });

    test('one span a request when stacks grow and move', async () => {
      await concurrently(12, (n) => get(server.port, `/deepstack?n=${n * 300}`));
      const connection = await RawConnection.open(server.port);
      for (const n of [1, 50, 4000, 10, 8000]) await connection.request({ target: `/deepstack?n=${n}` });
      await connection.close();
      const spans = await next(17);
      expect(new Set(spans.map((span) => span.attributes['url.query'])).size).toBe(17);
      for (const span of spans) expect(statusOf(span)).toBe(200);
    });

    test('goroutines that move between threads', async () => {
      const answers = await concurrently(16, () => get(server.port, '/gomaxprocs?n=40'));
      expect(Math.max(...answers.map(({ body }) => Number(body)))).toBeGreaterThan(1);
      for (const span of await next(16)) {
        expect(span.attributes).toMatchObject({ 'url.path': '/gomaxprocs', 'http.response.status_code': 200 });
      }
    });

    test('what a handler does to its Request does not show', async () => {
      await requestOnce(server.port, {
        target: '/mutate?q=1',
        headers: { Host: 'original.example', 'User-Agent': 'me' },
      });
      const [span] = await next(1);
      expect(span!.attributes).toMatchObject({
        'http.request.method': 'GET',
        'url.path': '/mutate',
        'url.query': 'q=1',
        'server.address': 'original.example',
        'client.address': '127.0.0.1',
        'user_agent.original': 'me',
      });
    });

    test('two hits a request, and everything is accounted for', async () => {
      const stats = await server.stats();
      const stopped = await agent.stop();
      const { report } = stopped;
      const panics = 242;
      expect(stats).toMatchObject({ started: seen, finished: seen, panicked: panics, hijacked: 2 });
      expect(world.receiver.spanCount).toBe(seen);
      expect(hitsOf(stopped, 'end')).toBe(seen - panics);
      expect(hitsOf(stopped, 'panic')).toBe(panics);
      expect(hitsOf(stopped, 'start')).toBe(seen);
      expect(report).toMatchObject({ spans: { server: seen }, exported: seen, lost: [], lostTotal: 0 });
      expect(report.counters).toMatchObject({ refired: 0, end_without_start: 0, spans: seen });
    });
  });
});
