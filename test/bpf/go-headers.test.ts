/** How BPF finds headers in a Go map, on maps laid out by hand in this process: every state that the runtime can leave. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BpfObject } from '../../native/native.d.ts';
import type { GoMapLayout as Layout } from '../../src/contract/binary.ts';
import { goMapLayout } from '../../src/probes/definitions/go/map-layout.ts';
import { GoMapLayout, Scratch } from '../../src/probes/layout.gen.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { openBpfTest, runCase } from './bpf-case.ts';
import { type Chain, hmap, hmapLayout, type Slot, smallSwissMap, swissLayout, swissMapOfGroups } from './go-maps.ts';
import { UserMemory } from './user-memory.ts';

/** `struct header_case` of go_headers.bpf.c. */
const layout = {
  map: 0,
  traceparent: 8,
  values: 16,
  tracestate: 24,
  userAgent: 32,
  left: 40,
  complete: 48,
  mapLayout: 56,
};
const raw = layout.mapLayout + GoMapLayout.size;
const caseBytes = raw + Scratch.size;

const wanted: readonly Slot[] = [
  { key: 'Traceparent', values: ['00-x'] },
  { key: 'Tracestate', values: ['a=1'] },
  { key: 'User-Agent', values: ['curl'] },
];

/** `count` headers that are not wanted, a few of them as long as a wanted one. */
function others(count: number, from = 0): Slot[] {
  return Array.from({ length: count }, (_, i) => {
    const number = String(from + i);
    const key = i % 3 === 0 ? number.padStart(11, 'x') : i % 3 === 1 ? number.padStart(10, 'y') : `X-Header-${number}`;
    return { key };
  });
}

describeKernel('headers in a Go map', () => {
  let object: BpfObject;
  let memory: UserMemory;
  beforeAll(() => {
    object = openBpfTest('go_headers');
  });
  afterAll(() => object.close());
  beforeEach(() => {
    memory = new UserMemory(64);
  });
  afterEach(() => memory.close());

  function scan(map: bigint, mapLayout: Layout) {
    const input = new Uint8Array(caseBytes);
    new DataView(input.buffer).setBigUint64(layout.map, map, true);
    input.set(goMapLayout(mapLayout), layout.mapLayout);
    // Scratch memory that was used before.
    input.fill(0xee, raw);
    const output = runCase(object, 'test_scan', input);
    const u64 = (at: number) => output.getBigUint64(at, true);
    return {
      complete: u64(layout.complete) === 1n,
      traceparent: memory.firstString(u64(layout.traceparent)),
      values: Number(u64(layout.values)),
      tracestate: memory.firstString(u64(layout.tracestate)),
      userAgent: memory.firstString(u64(layout.userAgent)),
    };
  }

  const none = { complete: true, traceparent: undefined, values: 0, tracestate: undefined, userAgent: undefined };
  const all = { complete: true, traceparent: '00-x', values: 1, tracestate: 'a=1', userAgent: 'curl' };

  /** The same headers in either kind of map, group by group or bucket by bucket. */
  const kinds = [
    ['swiss', swissLayout, (groups: readonly (readonly Slot[])[]) => swissMapOfGroups(memory, groups)],
    [
      'hmap',
      hmapLayout,
      (groups: readonly (readonly Slot[])[]) =>
        hmap(
          memory,
          groups.map((slots) => [slots]),
        ),
    ],
  ] as const;

  for (const [kind, mapLayout, build] of kinds) {
    test(`${kind}: an empty map`, () => {
      expect(scan(build([[]]), mapLayout)).toEqual(none);
    });

    test(`${kind}: one group`, () => {
      expect(scan(build([[...others(2), ...wanted]]), mapLayout)).toEqual(all);
    });

    test(`${kind}: full, in every slot`, () => {
      for (let at = 0; at < 8; at++) {
        const slots = others(7);
        slots.splice(at, 0, wanted[0]!);
        expect(scan(build([slots]), mapLayout)).toEqual({ ...none, traceparent: '00-x', values: 1 });
      }
    });

    test(`${kind}: several groups, some empty`, () => {
      const groups = [others(8), [], others(3, 20), [wanted[0]!], [], others(5, 30), [wanted[1]!, wanted[2]!], []];
      expect(scan(build(groups), mapLayout)).toEqual(all);
    });

    test(`${kind}: what was deleted does not count`, () => {
      const gone = wanted.map((slot) => ({ ...slot, values: ['old'], state: 'deleted' as const }));
      expect(scan(build([[...gone, ...others(2)]]), mapLayout)).toEqual(none);
      expect(scan(build([[...gone, { key: 'X', state: 'empty' }, ...wanted]]), mapLayout)).toEqual(all);
    });

    test(`${kind}: keys of the same length, case and all, are others`, () => {
      const slots = ['traceparent', 'TraceParent', 'Tracestates', 'tracestate', 'user-agent', 'Traceparen'];
      expect(scan(build([slots.map((key) => ({ key }))]), mapLayout)).toEqual(none);
    });

    test(`${kind}: a header without values is none; several are told`, () => {
      expect(scan(build([[{ key: 'Traceparent', values: [] }]]), mapLayout)).toEqual(none);
      const twice = build([[{ key: 'Traceparent', values: ['one', 'two'] }]]);
      expect(scan(twice, mapLayout)).toMatchObject({ traceparent: 'one', values: 2 });
    });

    test(`${kind}: 112 headers`, () => {
      const groups = Array.from({ length: 16 }, (_, g) => others(7, 10 * g));
      groups[15] = [...others(4, 200), ...wanted];
      expect(scan(build(groups), mapLayout)).toEqual(all);
    });

    test(`${kind}: more than are looked at is told`, () => {
      const groups = Array.from({ length: 64 }, (_, g) => others(7, 10 * g));
      groups[63] = [...wanted];
      expect(scan(build(groups), mapLayout)).toEqual({ ...none, complete: false });
      // What lies in front is still found.
      groups[0] = [...wanted];
      expect(scan(build(groups), mapLayout)).toEqual({ ...all, complete: false });
    });

    test(`${kind}: a map that cannot be read`, () => {
      expect(scan(8n, mapLayout)).toEqual({ ...none, complete: false });
    });
  }

  test('swiss: a small map has a group and no directory', () => {
    expect(scan(smallSwissMap(memory, []), swissLayout)).toEqual(none);
    expect(scan(smallSwissMap(memory, [...others(5), ...wanted]), swissLayout)).toEqual(all);
  });

  test('swiss: a directory whose entries repeat one table', () => {
    const groups = [others(7), [...wanted], others(7, 10), others(7, 20)];
    expect(scan(swissMapOfGroups(memory, groups, 4), swissLayout)).toEqual(all);
  });

  test('swiss: a group with its tail on a page that was never touched', () => {
    // Control bytes and four slots lie before the page, and the rest on it.
    const group = memory.beforeLastPage(8 + 4 * 40);
    const map = smallSwissMap(memory, [...others(1), ...wanted], group);
    memory.cutLastPage();
    expect(scan(map, swissLayout)).toEqual(all);
  });

  test('swiss: a map with its tail on a page that was never touched', () => {
    // dirLen, which is zero, and what follows it.
    const map = smallSwissMap(memory, [...others(1), ...wanted], undefined, memory.beforeLastPage(24));
    memory.cutLastPage();
    expect(scan(map, swissLayout)).toEqual(all);
  });

  test('swiss: a group that cannot be read', () => {
    const group = memory.beforeLastPage(0);
    const map = smallSwissMap(memory, wanted, group);
    memory.cutLastPage();
    expect(scan(map, swissLayout)).toEqual({ ...none, complete: false });
  });

  test('hmap: chains of overflow buckets', () => {
    const chains: Chain[] = [
      [others(8), others(8, 10), [wanted[0]!]],
      [others(8, 20), [...others(3, 30), wanted[2]!]],
    ];
    expect(scan(hmap(memory, chains), hmapLayout)).toEqual({ ...all, tracestate: undefined });
  });

  test('hmap: a chain longer than is looked at is told', () => {
    const chain = Array.from({ length: 50 }, (_, link) => others(8, 10 * link));
    expect(scan(hmap(memory, [chain]), hmapLayout)).toEqual({ ...none, complete: false });
  });

  test('hmap: while it grows, half lies in the old buckets', () => {
    const moved = wanted.map((slot) => ({ ...slot, state: 'deleted' as const }));
    const chains: Chain[] = [[[wanted[0]!]], [[]], [[wanted[1]!]], [[]]];
    const old: Chain[] = [[moved], [others(6), [wanted[2]!]]];
    expect(scan(hmap(memory, chains, old), hmapLayout)).toEqual(all);
  });
});
