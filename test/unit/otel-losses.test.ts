import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Losses } from '../../src/otel/losses.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function recorded() {
  const notices: unknown[] = [];
  return { notices, losses: new Losses((level, message, details) => notices.push([level, message, details]), 1000) };
}

test('counts by stage and reason', () => {
  const { losses } = recorded();
  losses.add('export', 'failed', 3);
  losses.add('drain', 'ring_full', 2);
  losses.add('export', 'failed', 4);
  losses.add('export', 'rejected', 0);
  expect(losses.total()).toBe(9);
  expect(losses.snapshot()).toEqual([
    { stage: 'export', reason: 'failed', count: 7 },
    { stage: 'drain', reason: 'ring_full', count: 2 },
  ]);
});

test('a run of losses is told once at its start and once at its end, with its own count', () => {
  const { losses, notices } = recorded();
  const started = ['warn', 'losing spans', { stage: 'bpf', reason: 'ring_full' }];
  const ended = (lost: number) => ['info', 'no longer losing spans', { stage: 'bpf', reason: 'ring_full', lost }];
  const atEnd = (lost: number) => ['warn', 'lost spans until the end', { stage: 'bpf', reason: 'ring_full', lost }];
  for (let i = 0; i < 10; i++) {
    losses.add('bpf', 'ring_full', 1);
    vi.advanceTimersByTime(500);
  }
  expect(notices).toEqual([started]);
  vi.advanceTimersByTime(3000);
  expect(notices).toEqual([started, ended(10)]);
  expect(vi.getTimerCount()).toBe(0);
  losses.add('bpf', 'ring_full', 5);
  expect(notices).toEqual([started, ended(10), started]);
  losses.close();
  losses.close();
  expect(notices).toEqual([started, ended(10), started, atEnd(5)]);
  expect(losses.total()).toBe(15);
  expect(vi.getTimerCount()).toBe(0);
});

test('a run of the export ends when something was delivered after its last loss, and not by silence', () => {
  const { losses, notices } = recorded();
  const texts = () => notices.map((notice) => (notice as [string, string])[1]);
  losses.add('export', 'queue_full', 4);
  losses.delivered('export');
  losses.add('export', 'queue_full', 1);
  vi.advanceTimersByTime(60_000);
  expect(texts()).toEqual(['losing spans']);
  losses.delivered('export');
  vi.advanceTimersByTime(1000);
  expect(texts()).toEqual(['losing spans', 'no longer losing spans']);
  expect(vi.getTimerCount()).toBe(0);
});
