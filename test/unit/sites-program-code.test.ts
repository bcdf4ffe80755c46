/** Functions are decoded once for all callers, and not without bound. */
import { describe, expect, test } from 'vitest';
import type { Binary } from '../../src/contract/binary.ts';
import { x64 } from '../../src/discovery/isa/x64/x64.ts';
import { FunctionCode } from '../../src/probes/sites/function-code.ts';
import { ProgramCode } from '../../src/probes/sites/program-code.ts';
import { addressOf, bytesOf, programOf } from './sites-program.ts';

const entry = addressOf(0);

/** A function, and the addresses from which it was decoded. */
function watched(hex: string) {
  const decodedFrom: number[] = [];
  const isa = {
    ...x64,
    decode(code: Uint8Array, address: number, maxInstructions: number) {
      decodedFrom.push(address - entry);
      return x64.decode(code, address, maxInstructions);
    },
  };
  const code = bytesOf(hex);
  const symbol = { name: 'f', address: entry, sizeBytes: code.length, fileOffset: 0x1000 };
  return { code: new FunctionCode(isa, symbol, code), decodedFrom };
}

/** mov %rsp,%rbp */
const three = '4889e5';

describe('a function', () => {
  test('is decoded as far as somebody looks, once', () => {
    const { code, decodedFrom } = watched(`${three.repeat(2000)} c3`);
    expect(code.at(1)?.address).toBe(entry + 3);
    expect(decodedFrom).toEqual([0]);
    const addresses = Array.from(code.from(), ({ address }) => address - entry);
    expect(addresses).toEqual(Array.from({ length: 2001 }, (_, index) => index * 3));
    const parts = decodedFrom.length;
    expect(new Set(decodedFrom).size).toBe(parts);
    expect(Array.from(code.from(), ({ address }) => address - entry)).toEqual(addresses);
    expect(decodedFrom).toHaveLength(parts);
  });

  test('from an address on: what is decoded already, else from there', () => {
    const { code, decodedFrom } = watched(`${three.repeat(100)} c3`);
    code.at(0);
    expect(Array.from(code.from(entry + 297), ({ address }) => address - entry)).toEqual([297, 300]);
    expect(decodedFrom).toEqual([0, 297]);
    expect(code.from(entry + 6).next().value).toMatchObject({ address: entry + 6 });
    expect(decodedFrom).toHaveLength(2);
  });

  test('from within an instruction, as a branch there would run it', () => {
    const { code } = watched(`${three} c3`);
    // 89 e5: mov %esp,%ebp
    expect(Array.from(code.from(entry + 1), ({ length }) => length)).toEqual([2, 1]);
  });

  test('outside of it there is nothing', () => {
    const { code } = watched(`${three} c3`);
    expect([...code.from(entry - 1)]).toEqual([]);
    expect([...code.from(entry + 4)]).toEqual([]);
    expect([...code.walk(entry + 4, 8)]).toEqual([]);
    expect(code.at(2)).toBeUndefined();
  });

  test('ends at what is no instruction', () => {
    const { code } = watched(`${three} 06 c3`);
    expect([...code.from()]).toHaveLength(1);
    expect([...code.walk(entry, 8)]).toHaveLength(1);
  });

  test('a walk tells what each instruction does, so many at most', () => {
    // mov %rsp,%rbp; mov $1,%ecx; ret
    const { code } = watched(`${three} b901000000 c3`);
    const steps = [...code.walk(entry, 2)];
    expect(steps.map(({ instruction }) => instruction.address - entry)).toEqual([0, 3]);
    expect(steps[1]!.effects.sets).toEqual({ register: x64.registers.indexOf('rcx'), value: 1 });
  });
});

describe('a program', () => {
  /** Counts how often the code of a function is asked for. */
  function counting(functions: Readonly<Record<string, string>>): { binary: Binary; asked: string[] } {
    const program = programOf(functions);
    const asked: string[] = [];
    const code: Binary['code'] = (symbol, maxBytes) => {
      asked.push(symbol.name);
      return program.code(symbol, maxBytes);
    };
    return { binary: { ...program, code }, asked };
  }

  test('has each function once', () => {
    const { binary, asked } = counting({ f: `${three} c3`, g: 'c3' });
    const program = new ProgramCode(binary);
    const f = program.of(binary.symbols.find('f')!);
    program.of(binary.symbols.find('g')!);
    expect(program.of(binary.symbols.find('f')!)).toBe(f);
    expect(asked).toEqual(['f', 'g']);
  });

  test('drops what nobody has asked for the longest once there are too many bytes', () => {
    const { binary, asked } = counting({ f: three, g: three, h: three });
    const program = new ProgramCode(binary, 6);
    const ask = (...names: string[]) => names.map((name) => program.of(binary.symbols.find(name)!));
    ask('f', 'g', 'f', 'h');
    expect(asked).toEqual(['f', 'g', 'h']);
    ask('f', 'h');
    expect(asked).toEqual(['f', 'g', 'h']);
    ask('g');
    expect(asked).toEqual(['f', 'g', 'h', 'g']);
  });

  test('keeps a function that is too large alone', () => {
    const { binary, asked } = counting({ f: three.repeat(10) });
    const program = new ProgramCode(binary, 6);
    const f = binary.symbols.find('f')!;
    expect(program.of(f)).toBe(program.of(f));
    expect(asked).toEqual(['f']);
  });
});
