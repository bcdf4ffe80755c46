import { expect, test } from 'vitest';
import { Numbers } from '../../src/probes/attach/numbers.ts';

test('each number is held once, and used again as late as can be', () => {
  const numbers = new Numbers(3, 'cups fit the tray');
  expect([numbers.take('a'), numbers.take('b')]).toEqual([0, 1]);
  numbers.give(0);
  expect(numbers.take('c')).toBe(2);
  numbers.give(1);
  expect([numbers.take('d'), numbers.take('e')]).toEqual([0, 1]);
});

test('the error says what there is no more of, and on what', () => {
  const numbers = new Numbers(1, 'cups fit the tray');
  numbers.take('/usr/bin/first');
  expect(() => numbers.take('/usr/bin/second')).toThrow(
    expect.objectContaining({ code: 'E_ATTACH', message: 'no more than 1 cups fit the tray', on: '/usr/bin/second' }),
  );
});
