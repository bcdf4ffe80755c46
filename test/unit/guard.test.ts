import { expect, test } from 'vitest';
import { Guard } from '../../src/guard.ts';

function subject() {
  const lost: unknown[] = [];
  const told: unknown[] = [];
  const guard = new Guard({
    lose: (...loss) => lost.push(loss),
    notify: (level, message, { during, error }) => told.push([level, message, during, error]),
  });
  return { guard, lost, told };
}

test('an exception is counted each time and told once for each kind of callback; what follows goes on', async () => {
  const { guard, lost, told } = subject();
  const done: string[] = [];
  const fail = () => {
    throw new TypeError('a fault');
  };
  guard.run('a look', fail);
  guard.run('a look', fail);
  guard.run('a look', () => done.push('a look'));
  await guard.settle('an attach', async () => fail());
  await guard.settle('an attach', async () => void done.push('an attach'));
  expect(done).toEqual(['a look', 'an attach']);
  expect(lost).toEqual(Array(3).fill(['agent', 'callback_failed', 1]));
  expect(told).toEqual([
    ['warn', 'an unexpected error; going on', 'a look', 'TypeError: a fault'],
    ['warn', 'an unexpected error; going on', 'an attach', 'TypeError: a fault'],
  ]);
});

test('what is no Error is told as well', () => {
  const { guard, told } = subject();
  guard.run('a look', () => {
    throw 'a text';
  });
  expect(told).toEqual([['warn', 'an unexpected error; going on', 'a look', 'a text']]);
});
