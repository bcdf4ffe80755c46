import { expect, test } from 'vitest';
import type { Place } from '../../src/contract/decision.ts';
import { x64 } from '../../src/discovery/isa/x64/x64.ts';
import { FunctionCode } from '../../src/probes/sites/function-code.ts';
import { locate } from '../../src/probes/sites/locate.ts';
import { addressOf, codeOf } from '../unit/sites-program.ts';
import { randomFrom } from './random.ts';

const random = randomFrom(20_261_130);
const entry = addressOf(0);

function randomCode(): Uint8Array {
  return Uint8Array.from({ length: random.below(400) }, () => random.below(256));
}

test('any bytes are instructions one behind the other, up to some that are none', () => {
  for (let round = 0; round < 1000; round++) {
    const bytes = randomCode();
    let next = entry;
    for (const { address, length, target } of x64.decode(bytes, entry, 1000)) {
      expect(address).toBe(next);
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThanOrEqual(x64.maxInstructionBytes);
      // There is no instruction in front of address 0 in a program.
      if (target !== undefined) expect(target).toBeGreaterThanOrEqual(0);
      next += length;
    }
    expect(next).toBeLessThanOrEqual(entry + bytes.length);
  }
});

test('instructions from an address on do not depend on what was looked at before', () => {
  for (let round = 0; round < 1000; round++) {
    const bytes = randomCode();
    const symbol = { name: 'f', address: entry, sizeBytes: bytes.length, fileOffset: 0 };
    const code = new FunctionCode(x64, symbol, bytes);
    for (let look = 0; look < 4; look++) {
      const offset = random.below(bytes.length + 2);
      const expected = x64.decode(bytes.subarray(offset), entry + offset, 1000);
      expect([...code.from(entry + offset)]).toEqual(expected);
      const walked = Array.from(code.walk(entry + offset, 5), ({ instruction }) => instruction);
      expect(walked).toEqual(expected.slice(0, 5));
    }
  }
});

test('a site is an instruction of the function', () => {
  const places: readonly Place[] = [
    { at: 'entry', function: 'f' },
    { at: 'nativeEntry', function: 'f', arguments: [0, 1, 2, 3, 4, 5] },
    { at: 'afterCall', function: 'f', callee: 'f' },
    { at: 'calls', function: 'f', callee: 'f' },
    { at: 'resultBranch', function: 'f', callee: 'f', of: 'result' },
    { at: 'resultPath', function: 'f', callee: 'f', result: 'error' },
  ];
  for (let round = 0; round < 1000; round++) {
    const bytes = randomCode();
    // Calls itself somewhere.
    if (bytes.length > 5) {
      const at = random.below(bytes.length - 5);
      bytes.set([0xe8, ...new Uint8Array(Int32Array.of(-(at + 5)).buffer)], at);
    }
    const program = codeOf({ f: Buffer.from(bytes).toString('hex') });
    for (const place of places) {
      const located = locate(program, place);
      if (!located.found) continue;
      for (const { address, instruction } of located.sites) {
        expect(address).toBeGreaterThanOrEqual(entry);
        expect(address).toBeLessThan(entry + bytes.length);
        expect(instruction).not.toBe('');
      }
    }
  }
});
