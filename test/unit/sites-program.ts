/** Programs of a few hand-assembled functions, for the site planner. */
import type { Binary, FunctionSymbol } from '../../src/contract/binary.ts';
import { ProgramCode } from '../../src/probes/sites/program-code.ts';

/** Functions by name. Code is hex with spaces. They begin 4 KiB apart, the first at `firstAddress`, in the given order. */
export type Functions = Readonly<Record<string, string>>;

export const firstAddress = 0x401000;
/** File offset minus address of every function. */
export const fileBias = -0x400000;

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
}

/** The address of the `index`th function of a program. */
export function addressOf(index: number): number {
  return firstAddress + index * 0x1000;
}

/** `call rel32` from `address` (of the call's first byte) to `target`, as hex. */
export function call(address: number, target: number): string {
  return `e8 ${rel32(target - (address + 5))}`;
}

export function rel32(distance: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(distance);
  return bytes.toString('hex');
}

export function programOf(functions: Functions): Binary {
  const code = new Map<string, Uint8Array>();
  const symbols: FunctionSymbol[] = Object.entries(functions).map(([name, hex], index) => {
    code.set(name, bytesOf(hex));
    const address = addressOf(index);
    return { name, address, sizeBytes: code.get(name)!.length, fileOffset: address + fileBias };
  });
  return {
    key: 'test@0:1',
    path: '/bin/test',
    buildId: undefined,
    machine: 'x64',
    pie: false,
    stripped: false,
    sizeBytes: 0x10000,
    runtime: 'go',
    symbols: {
      source: 'symtab',
      count: symbols.length,
      find: (name) => symbols.find((symbol) => symbol.name === name),
      findMatching: (part, pattern) => symbols.find(({ name }) => name.includes(part) && pattern.test(name)),
      at: (address) =>
        symbols.find((symbol) => address >= symbol.address && address < symbol.address + symbol.sizeBytes),
    },
    go: undefined,
    notes: [],
    malformedNotes: 0,
    variable: () => undefined,
    constantText: () => undefined,
    code: (symbol, maxBytes) => code.get(symbol.name)!.slice(0, maxBytes),
  };
}

/** Such a program, as the site planner reads it. */
export function codeOf(functions: Functions): ProgramCode {
  return new ProgramCode(programOf(functions));
}
