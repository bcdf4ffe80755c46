import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningAgent } from '../support/agent.ts';
import type { GoFixture, GoRelease } from '../support/go-fixture.ts';
import { RawConnection, requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const good = `00-${traceId}-${parentId}-01`;

/** https://www.w3.org/TR/trace-context/ §3.2: `undefined` continues nothing, otherwise the expected flags byte. */
const traceparents: readonly [what: string, value: string, flags: number | undefined][] = [
  ['a good one', good, 1],
  ['other flags beside sampled', `00-${traceId}-${parentId}-ff`, 0xff],
  ['a version to come, as long as 00', `01-${traceId}-${parentId}-01`, 1],
  ['a version to come with more behind', `cc-${traceId}-${parentId}-01-what-the-future-brings`, 1],
  ['a version to come, more behind without a dash', `cc-${traceId}-${parentId}-01.what`, undefined],
  ['version 00 with more behind', `${good}-extra`, undefined],
  ['version ff', `ff-${traceId}-${parentId}-01`, undefined],
  ['version in upper case', `0A-${traceId}-${parentId}-01`, undefined],
  ['trace id in upper case', `00-${traceId.toUpperCase()}-${parentId}-01`, undefined],
  ['parent id in upper case', `00-${traceId}-${parentId.toUpperCase()}-01`, undefined],
  ['flags in upper case', `00-${traceId}-${parentId}-0F`, undefined],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${parentId}-01`, undefined],
  ['a parent id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`, undefined],
  ['a trace id with a letter that is no digit', `00-${traceId.slice(1)}g-${parentId}-01`, undefined],
  ['a parent id with a blank', `00-${traceId}-${parentId.slice(1)} -01`, undefined],
  ['flags that are no digits', `00-${traceId}-${parentId}-xy`, undefined],
  ['one flag digit', `00-${traceId}-${parentId}-1`, undefined],
  ['a short trace id', `00-${traceId.slice(1)}-${parentId}-01`, undefined],
  ['dots for dashes', good.replaceAll('-', '.'), undefined],
  ['no version', good.slice(3), undefined],
  ['one byte', '0', undefined],
  ['nothing', '', undefined],
  ['a kilobyte', `${good}-${'x'.repeat(1000)}`, undefined],
  ['bytes above 127', `00-${traceId}-${parentId}-\xff1`, undefined],
];

describeKernel('trace context', () => {
  leavesNothingInKernel();

  // One release for each layout that Go has had for a map: runtime.hmap, then Swiss tables.
  describe.each<GoRelease>(['1.23', '1.27'])('Go %s', (go) => {
    let world: World;
    let server: GoFixture;
    let agent: RunningAgent;
    let requests = 0;
    /** The span of a request. `expected` counts spans as the fixture counts requests. */
    const spanOf = async (send: () => Promise<unknown>): Promise<DecodedSpan> => {
      await send();
      return (await spansOf(world.receiver, server.pid, ++requests)).at(-1)!;
    };

    beforeAll(async () => {
      world = await openWorld();
      server = await world.server(await world.binary(go));
      agent = await world.agent({ pids: [server.pid] });
    });
    afterAll(() => world.close());

    test('traceparent as W3C has it', async () => {
      for (const [, traceparent] of traceparents) {
        await requestOnce(server.port, { target: '/hello', headers: { traceparent, tracestate: 'vendor=1' } });
      }
      requests += traceparents.length;
      const spans = (await spansOf(world.receiver, server.pid, requests)).slice(-traceparents.length);
      traceparents.forEach(([what, , flags], index) => {
        const span = spans[index]!;
        const { parentSpanId, traceState } = span;
        if (flags === undefined) {
          // A new trace, sampled. OTLP's bit 8 says that it is known not to have a remote parent.
          expect({ what, parentSpanId, traceState, flags: span.flags }).toEqual({
            what,
            parentSpanId: undefined,
            traceState: '',
            flags: 0x101,
          });
          expect(span.traceId, what).not.toBe(traceId);
        } else {
          const continued = {
            what,
            trace: traceId,
            parentSpanId: parentId,
            traceState: 'vendor=1',
            flags: 0x300 | flags,
          };
          expect({ what, trace: span.traceId, parentSpanId, traceState, flags: span.flags }).toEqual(continued);
        }
      });
    });

    test('names of headers are found in any case', async () => {
      const span = await spanOf(() =>
        requestOnce(server.port, { target: '/hello', headers: { TRACEPARENT: good, TraceState: 'b=2' } }),
      );
      expect(span).toMatchObject({ traceId, parentSpanId: parentId, traceState: 'b=2' });
    });

    test('two traceparent headers are none', async () => {
      const span = await spanOf(() =>
        requestOnce(server.port, { target: '/hello', headers: { traceparent: good, Traceparent: good } }),
      );
      expect(span.parentSpanId).toBeUndefined();
      expect(span.traceId).not.toBe(traceId);
    });

    test('tracestate headers are one list, in their order', async () => {
      const states = [
        [{ tracestate: 'a=1', Tracestate: 'b=2' }, 'a=1,b=2', undefined],
        [{ tracestate: '', Tracestate: 'b=2,c=3' }, 'b=2,c=3', undefined],
        [{ tracestate: 'a=1', Tracestate: 'b=2', TraceState: 'c=3' }, 'a=1,b=2', 'tracestate'],
      ] as const;
      for (const [headers, traceState, cut] of states) {
        const span = await spanOf(() =>
          requestOnce(server.port, { target: '/hello', headers: { traceparent: good, ...headers } }),
        );
        expect(span).toMatchObject({ traceId, parentSpanId: parentId, traceState });
        expect(span.attributes['uspan.truncated']).toBe(cut);
      }
    });

    test('a traceparent with blanks around it, as few or as many as there are', async () => {
      for (const [before, behind] of [
        [' ', ' '],
        ['\t \t \t ', '   \t     '],
      ]) {
        const headers = { traceparent: `${before}${good}${behind}` };
        const span = await spanOf(() => requestOnce(server.port, { target: '/hello', headers }));
        expect(span).toMatchObject({ traceId, parentSpanId: parentId });
      }
    });

    test('a tracestate without a traceparent is dropped', async () => {
      const span = await spanOf(() => requestOnce(server.port, { target: '/hello', headers: { tracestate: 'a=1' } }));
      expect(span.traceState).toBe('');
    });

    test('a traceparent among any number of headers, however they arrive', async () => {
      const counts = Array.from({ length: 100 }, (_, count) => count);
      // Beyond 5 KB, net/http cannot see how many headers will come, so the map grows header by header.
      const cookies = [{}, { Cookie: 'c'.repeat(5000) }];
      const connection = await RawConnection.open(server.port);
      for (const cookie of cookies) {
        for (const count of counts) {
          const others = Object.fromEntries(counts.slice(0, count).map((n) => [`X-Header-${n}`, 'v']));
          await connection.request({ target: `/hello?${count}`, headers: { ...cookie, ...others, traceparent: good } });
        }
      }
      await connection.close();
      const total = cookies.length * counts.length;
      requests += total;
      const spans = (await spansOf(world.receiver, server.pid, requests)).slice(-total);
      const missed = spans.filter((span) => span.parentSpanId !== parentId).map((span) => span.attributes['url.query']);
      expect(missed).toEqual([]);
    });

    test('what was malformed is counted, and every header map was read', async () => {
      const { report } = await agent.stop();
      const malformed = traceparents.filter(([, , flags]) => flags === undefined).length;
      expect(report.counters).toMatchObject({ bad_traceparent: malformed + 1, headers_not_scanned: 0 });
      expect(world.receiver.spanCount).toBe((await server.stats()).started);
      expect(report.lostTotal).toBe(0);
    });
  });
});
