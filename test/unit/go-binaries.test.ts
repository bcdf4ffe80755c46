import { expect, test } from 'vitest';
import { GoBinaries } from '../../src/probes/attach/go-binaries.ts';
import { Constant } from '../../src/probes/layout.gen.ts';
import { programOf } from './sites-program.ts';

/** Two programs, their facts, and a map that keeps what is written. */
function setUp() {
  const written: [number, number][] = [];
  const object = {
    map: (name: string) => ({
      update(key: Uint8Array, value: Uint8Array): void {
        expect(name).toBe('go_binaries');
        written.push([new DataView(key.buffer).getUint32(0, true), value[0]!]);
      },
    }),
  };
  const binary = programOf({ f: 'c3' });
  const decision = (key: string, facts: number) => ({
    binary: { ...binary, key },
    goBinary: Uint8Array.of(facts),
  });
  return { written, object, decision, binaries: new GoBinaries() };
}

test('a binary is written once, whatever is attached to it', () => {
  const { written, object, decision, binaries } = setUp();
  expect(binaries.take(decision('a', 1), 0, object)).toBe(0);
  expect(binaries.take(decision('a', 1), 1, object)).toBe(0);
  expect(binaries.take(decision('b', 2), 2, object)).toBe(1);
  expect(written).toEqual([
    [0, 1],
    [1, 2],
  ]);
});

test('what needs no row gets the first, and writes nothing', () => {
  const { written, object, decision, binaries } = setUp();
  expect(binaries.take({ ...decision('a', 1), goBinary: undefined }, 0, object)).toBe(0);
  binaries.give(0);
  expect(written).toEqual([]);
});

test('a file that was written over in place has a row of its own', () => {
  const { object, decision, binaries } = setUp();
  expect(binaries.take(decision('a', 1), 0, object)).toBe(0);
  expect(binaries.take(decision('a', 2), 1, object)).toBe(1);
});

test('rows are bounded, and free again when the last attachment is gone', () => {
  const { written, object, decision, binaries } = setUp();
  for (let id = 0; id < Constant.GO_BINARIES; id++) binaries.take(decision(`${id}`, 1), id, object);
  binaries.take(decision('7', 1), 1000, object);
  const more = () => binaries.take(decision('more', 3), 1001, object);
  expect(more).toThrow(expect.objectContaining({ code: 'E_ATTACH' }));
  binaries.give(7);
  expect(more).toThrow(expect.objectContaining({ code: 'E_ATTACH' }));
  binaries.give(1000);
  expect(more()).toBe(7);
  expect(written.at(-1)).toEqual([7, 3]);
});
