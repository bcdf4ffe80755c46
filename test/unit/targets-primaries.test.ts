import { expect, test } from 'vitest';
import type { ProcessFacts } from '../../src/discovery/processes/process-facts.ts';
import { Primaries } from '../../src/targets/primaries.ts';

const node = 'node';
const programs: Readonly<Record<number, string>> = { 10: node, 11: node, 12: node, 13: 'sh', 5: node, 20: node };
const parents: Readonly<Record<number, number>> = { 10: 1, 11: 10, 12: 10, 13: 10, 5: 11, 20: 13 };
const ports: Readonly<Record<number, readonly number[]>> = { 10: [80, 443] };
const view = { portsOf: (pid: number) => ports[pid] ?? [], programOf: (pid: number) => programs[pid] };

const all = Object.entries(parents).map(([pid, ppid]) => ({ pid: Number(pid), ppid }) as ProcessFacts);
const pidsOf = (workers: ReadonlySet<ProcessFacts>) => [...workers].map(({ pid }) => pid).sort((a, b) => a - b);

test('workers are children that run the same program, and theirs, also with smaller pids', () => {
  const primaries = new Primaries({ pids: [10], ports: [] }, view);
  expect(pidsOf(primaries.workersAmong(all))).toEqual([5, 11, 12]);
  expect([5, 10, 11, 12, 13, 20].filter((pid) => primaries.has(pid))).toEqual([5, 10, 11, 12]);
});

test('who listens on a port that rules name becomes a primary, nobody else', () => {
  const primaries = new Primaries({ pids: [], ports: [443] }, view);
  expect(primaries.workersAmong(all).size).toBe(0);
  expect([primaries.listens(20, 80), primaries.has(20)]).toEqual([false, false]);
  expect([primaries.portsOf(10), primaries.portsOf(12), primaries.size]).toEqual([[80, 443], [], 1]);
  expect(primaries.isWorker({ pid: 11, ppid: 10 })).toBe(true);
});

test('what has ended has no workers', () => {
  const primaries = new Primaries({ pids: [10], ports: [] }, view);
  primaries.delete(10);
  expect(primaries.isWorker({ pid: 11, ppid: 10 })).toBe(false);
  expect(primaries.size).toBe(0);
});

test('a child that is gone is no worker', () => {
  const primaries = new Primaries({ pids: [99], ports: [] }, view);
  expect(primaries.isWorker({ pid: 98, ppid: 99 })).toBe(false);
});
