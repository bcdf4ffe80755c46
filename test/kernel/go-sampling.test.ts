import { describe, expect, test } from 'vitest';
import { RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { openWorld, spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

/** Trace ids by their last 8 bytes, which the ratio sampler uses. */
const lowest = `4bf92f3577b34da6${'0'.repeat(15)}1`;
const highest = `4bf92f3577b34da6${'f'.repeat(16)}`;
const parentId = '00f067aa0ba902b7';
const traceparents = {
  none: undefined,
  'sampled, lowest': `00-${lowest}-${parentId}-01`,
  'sampled, highest': `00-${highest}-${parentId}-01`,
  'not sampled, lowest': `00-${lowest}-${parentId}-00`,
  'not sampled, highest': `00-${highest}-${parentId}-00`,
};
type Parent = keyof typeof traceparents;
const parents = Object.keys(traceparents) as Parent[];

interface Case {
  readonly sampler: string | undefined;
  readonly argument?: string;
  /** Which spans come, by the specification of each sampler. */
  readonly taken: readonly Parent[];
}

const cases: readonly Case[] = [
  { sampler: undefined, taken: ['none', 'sampled, lowest', 'sampled, highest'] },
  { sampler: 'parentbased_always_off', taken: ['sampled, lowest', 'sampled, highest'] },
  { sampler: 'always_on', taken: parents },
  { sampler: 'always_off', taken: [] },
  { sampler: 'traceidratio', argument: '1', taken: parents },
  { sampler: 'traceidratio', argument: '0', taken: [] },
  { sampler: 'parentbased_traceidratio', argument: '0', taken: ['sampled, lowest', 'sampled, highest'] },
];

describeKernel('sampling', () => {
  leavesNothingInKernel();

  /** Sends `count` requests of each kind. The query says which kind. */
  async function spansUnder(
    { sampler, argument }: Pick<Case, 'sampler' | 'argument'>,
    kinds: readonly Parent[],
    count: number,
  ) {
    const world = await openWorld();
    try {
      const server = await world.server(await world.binary('1.27'));
      const env = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument };
      const agent = await world.agent({ pids: [server.pid], env });
      const connection = await RawConnection.open(server.port);
      for (const kind of kinds) {
        const traceparent = traceparents[kind];
        const target = `/hello?${encodeURIComponent(kind)}`;
        for (let n = 0; n < count; n++) {
          await connection.request({ target, headers: traceparent === undefined ? {} : { traceparent } });
        }
      }
      await connection.close();
      const { report } = await agent.stop();
      const total = kinds.length * count;
      expect(report.counters).toMatchObject({
        spans: world.receiver.spanCount,
        sampled_out: total - world.receiver.spanCount,
      });
      expect(report.lost).toEqual([]);
      const spans = await spansOf(world.receiver, server.pid, world.receiver.spanCount);
      return spans.map((span) => ({
        ...span,
        kindOfParent: decodeURIComponent(String(span.attributes['url.query'])) as Parent,
      }));
    } finally {
      await world.close();
    }
  }

  describe.each(cases)('OTEL_TRACES_SAMPLER=$sampler, argument $argument', (sampling) => {
    test('takes exactly what it should', async () => {
      const spans = await spansUnder(sampling, parents, 5);
      const expected = sampling.taken.flatMap((parent) => Array.from({ length: 5 }, () => parent));
      expect(spans.map(({ kindOfParent }) => kindOfParent)).toEqual(expected);
    });
  });

  test('a ratio takes its share of new traces, and decides by the trace id for others', async () => {
    const count = 2000;
    const spans = await spansUnder({ sampler: 'traceidratio', argument: '0.25' }, parents, count);
    const of = (parent: Parent) => spans.filter(({ kindOfParent }) => kindOfParent === parent);
    // Binomial: mean 500, standard deviation 19.4. Six of them either way.
    expect(of('none').length).toBeGreaterThan(384);
    expect(of('none').length).toBeLessThan(616);
    for (const { traceId } of of('none')) {
      expect(BigInt(`0x${traceId.slice(16)}`) >> 1n).toBeLessThan(2n ** 63n / 4n);
    }
    expect(['sampled, lowest', 'not sampled, lowest'].map((parent) => of(parent as Parent).length)).toEqual([
      count,
      count,
    ]);
    expect(['sampled, highest', 'not sampled, highest'].map((parent) => of(parent as Parent).length)).toEqual([0, 0]);
  });
});
