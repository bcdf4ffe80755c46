import { afterEach, expect, test } from 'vitest';
import { Guard } from '../../src/guard.ts';
import { LibraryWatch } from '../../src/targets/library-watch.ts';
import { Timers } from '../../src/targets/timers.ts';

let timers: Timers;
const failed: string[] = [];

function newTimers(): Timers {
  failed.length = 0;
  timers = new Timers(
    new Guard({ lose: () => {}, notify: (_level, _message, { during }) => failed.push(String(during)) }),
  );
  return timers;
}

afterEach(() => timers.stop());

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('not within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('libraries are looked for several times after a start, in turns later, and never after an end', async () => {
  const looks: number[] = [];
  const watch = new LibraryWatch(newTimers(), (pid) => looks.push(pid));
  watch.started(7);
  watch.started(8);
  watch.delete(8);
  await until(() => looks.length === 5);
  expect(looks).toEqual([7, 7, 7, 7, 7]);
  watch.settled(9);
  watch.settled(10);
  watch.lookInTurn(2);
  watch.lookInTurn(2);
  expect(looks.slice(5)).toEqual([7, 9, 10, 7]);
  watch.delete(9);
  watch.lookInTurn(9);
  expect(looks.slice(9)).toEqual([10, 7]);
});

test('a look that fails does not end the watch', async () => {
  let looks = 0;
  const watch = new LibraryWatch(newTimers(), () => {
    if (looks++ === 0) throw new Error('a fault');
  });
  watch.started(7);
  await until(() => looks === 2);
  expect(failed).toEqual(['a look for libraries']);
});

test('stopped timers do not run, and new ones do not start', async () => {
  let runs = 0;
  const stopped = newTimers();
  stopped.after(1, 'a', () => runs++);
  stopped.every(1, 'b', () => runs++);
  stopped.stop();
  stopped.after(1, 'c', () => runs++);
  stopped.every(1, 'd', () => runs++);
  // Later than each of them would run.
  await new Promise((resolve) => setTimeout(resolve, 2));
  expect(runs).toBe(0);
});
