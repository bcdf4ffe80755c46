import { beforeEach, describe, expect, test } from 'vitest';
import type { Resource } from '../../src/contract/span.ts';
import { ProcessTable, unknownProgram } from '../../src/probes/process-table.ts';

const pid = 77;
/** What is asked of the source, in order. */
let asked: string[];
/** What happens while the source reads a process's files. */
let meanwhile: () => void;
let nowNs: number;
let table: ProcessTable;

beforeEach(() => {
  asked = [];
  meanwhile = () => {};
  nowNs = 1e9;
  table = new ProcessTable({
    running: (of, sinceNs) => {
      asked.push(`running ${of} since ${sinceNs}`);
      return of === 99 ? undefined : { attributes: { of, sinceNs } };
    },
    ended: (of, probeId, sinceNs, untilNs) => {
      asked.push(`ended ${of} ${sinceNs} to ${untilNs}`);
      return of === 99 ? undefined : { attributes: { of, probeId, sinceNs, untilNs } };
    },
    catchUp: () => meanwhile(),
    nowNs: () => nowNs,
  });
});

/** A span's resource. */
const at = (startNs: number, endNs = startNs, of = pid): Resource | undefined =>
  table.resourceOf(of, 3, startNs, endNs);

test('a process is identified with its first record, once', () => {
  const first = at(10);
  expect(at(11, 11, 78)).not.toBe(first);
  expect(at(12)).toBe(first);
  expect(asked).toEqual(['running 77 since -Infinity', 'running 78 since -Infinity']);
});

test('one of which nothing is known is asked for again', () => {
  expect([at(10, 10, 99), at(10) !== undefined, at(11, 11, 99)]).toEqual([undefined, true, undefined]);
  expect(asked).toEqual([
    'running 99 since -Infinity',
    'ended 99 -Infinity to 1000000000',
    'running 77 since -Infinity',
    'ended 99 -Infinity to 1000000000',
  ]);
});

describe('exec', () => {
  test('records that are read after it go to the program that made them', () => {
    const before = at(10);
    table.exec(pid, 100);
    const after = at(101);
    expect(after).not.toBe(before);
    expect([at(20, 99), at(130), at(99, 100)]).toEqual([before, after, before]);
    expect(at(20, 99)).toBe(before);
  });

  test('a program that nobody had identified by then is asked for as one that has ended', () => {
    table.exec(pid, 100);
    expect(at(20)).toEqual({ attributes: { of: pid, probeId: 3, sinceNs: Number.NEGATIVE_INFINITY, untilNs: 100 } });
    expect(at(120)).toEqual({ attributes: { of: pid, sinceNs: 100 } });
  });

  test('a chain of wrappers: each record to its own', () => {
    for (const atNs of [100, 200, 300]) table.exec(pid, atNs);
    const of = [350, 250, 150, 50].map((ns) => at(ns)!.attributes.sinceNs);
    expect(of).toEqual([300, 200, 100, Number.NEGATIVE_INFINITY]);
  });

  test('a span over it is of neither', () => {
    const before = at(10);
    table.exec(pid, 100);
    expect(at(90, 110)).toBe(unknownProgram);
    expect([at(90), at(110) === before]).toEqual([before, false]);
  });

  test('what was read while it happened is not taken for the first one', () => {
    meanwhile = () => {
      meanwhile = () => {};
      table.exec(pid, 100);
    };
    expect(at(10)!.attributes).toMatchObject({ untilNs: 100 });
    expect(at(110)!.attributes).toEqual({ of: pid, sinceNs: 100 });
  });

  test('one whose event was lost: nobody can say for a time', () => {
    const before = at(10);
    table.replaced(pid, 50, 100);
    expect([at(40), at(60), at(40, 60)]).toEqual([before, unknownProgram, unknownProgram]);
    expect(at(110)!.attributes).toEqual({ of: pid, sinceNs: 100 });
  });
});

describe('pid reuse', () => {
  test('by a fork, which no event tells', () => {
    const before = at(10);
    table.exit(pid, 100);
    const after = at(150);
    expect(after!.attributes).toEqual({ of: pid, sinceNs: 100 });
    expect([at(90), at(160)]).toEqual([before, after]);
  });

  test('by a fork that runs another program since: three programs', () => {
    const first = at(10);
    table.exit(pid, 100);
    table.exec(pid, 200);
    const [third, second] = [at(250), at(150)];
    expect(second!.attributes).toMatchObject({ sinceNs: 100, untilNs: 200 });
    expect(third!.attributes).toEqual({ of: pid, sinceNs: 200 });
    expect([at(50), at(170), at(270)]).toEqual([first, second, third]);
  });

  test('the end that is told twice is the first', () => {
    table.exit(pid, 100);
    table.exit(pid, 120);
    expect(at(90)!.attributes).toMatchObject({ untilNs: 100 });
  });
});

test('a resource that was learned early outlasts its program for as long as it may have records', () => {
  table.learn(pid);
  expect(asked).toEqual(['running 77 since -Infinity']);
  table.exit(pid, nowNs);
  nowNs += 1e9;
  table.expire();
  expect(at(10)!.attributes).toEqual({ of: pid, sinceNs: Number.NEGATIVE_INFINITY });
  nowNs += 2e9;
  table.expire();
  // The next program of this pid, and no more the old one.
  expect(at(10)!.attributes).toEqual({ of: pid, sinceNs: Number.NEGATIVE_INFINITY });
  expect(asked).toEqual(['running 77 since -Infinity', 'running 77 since -Infinity']);
});

test('programs that nobody asks for leave nothing behind', () => {
  for (let other = 0; other < 100; other++) {
    table.exec(other, 10 + other);
    table.exit(other, 1000 + other);
  }
  table.exec(pid, 500);
  const still = at(600);
  nowNs = 5e9;
  table.expire();
  expect(at(700)).toBe(still);
  expect(table.sinceNs(pid)).toBe(500);
  expect(table.sinceNs(5)).toBe(Number.NEGATIVE_INFINITY);
});
