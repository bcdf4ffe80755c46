import { expect, test } from 'vitest';
import type { AttachedSites } from '../../src/probes/attach/attached-sites.ts';
import { EndedAttachments } from '../../src/probes/attach/ended-attachments.ts';
import { EndedProcesses } from '../../src/targets/ended-processes.ts';

function subject() {
  const sweeps: number[][] = [];
  const unfinished: number[] = [];
  // Each has a span that began at 100 ns, and one at 300 ns.
  const sweep = (gone: (pid: number, startNs: number) => boolean) => {
    const pids = [7, 8, 9].filter((pid) => gone(pid, 100) && !gone(pid, 300));
    sweeps.push(pids);
    return pids.length;
  };
  const attacher = { sweep, sweepInTurns: async (gone: (pid: number, startNs: number) => boolean) => sweep(gone) };
  return { ended: new EndedProcesses(attacher, (count) => unfinished.push(count)), sweeps, unfinished };
}

test('processes that end together are swept in one pass', async () => {
  const { ended, sweeps, unfinished } = subject();
  ended.add(7, 200);
  ended.add(9, 200);
  await ended.sweepInTurns();
  await ended.sweepInTurns();
  expect([sweeps, unfinished]).toEqual([[[7, 9]], [2]]);
});

test('a number that gets another process is swept at once, and not again', async () => {
  const { ended, sweeps } = subject();
  ended.makeWay(8);
  ended.add(8, 200);
  ended.makeWay(7);
  expect(sweeps).toEqual([]);
  ended.makeWay(8);
  await ended.sweepInTurns();
  expect(sweeps).toEqual([[8]]);
});

function attached(name: string, hits: Readonly<Record<number, number>>): AttachedSites {
  const site = {
    momentName: 'start',
    function: 'f',
    address: 1,
    fileOffset: 1,
    class: 'push',
    instruction: 'push %rbp',
    why: '',
  };
  return {
    decision: {
      definition: { name },
      binary: { path: '/bin/shop', key: 'k' },
      sites: [
        { ...site, moment: 0, class: 'push' },
        { ...site, moment: 1, class: 'push' },
        { ...site, moment: 1, class: 'push' },
      ],
    },
    kind: 'uprobe_multi',
    hits: (moment) => hits[moment] ?? 0,
  };
}

test('a file that ran and ended again and again is kept once, with all its hits', () => {
  const ended = new EndedAttachments();
  ended.add(attached('a', { 0: 1, 1: 2 }));
  ended.add(attached('b', { 0: 5 }));
  ended.add(attached('a', { 0: 10, 1: 20 }));
  const kept = ended.all().map(({ decision, hits }) => [decision.definition.name, hits(0), hits(1), hits(2)]);
  expect(kept.sort()).toEqual([
    ['a', 11, 22, 0],
    ['b', 5, 0, 0],
  ]);
});

test('what is kept has a bound: the first to have ended go', () => {
  const ended = new EndedAttachments();
  for (let n = 0; n < 1030; n++) ended.add(attached(`d${n}`, {}));
  const names = ended.all().map(({ decision }) => decision.definition.name);
  expect([names.length, names[0], names.at(-1)]).toEqual([1024, 'd6', 'd1029']);
});
