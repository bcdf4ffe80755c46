/** What small functions of C show of a program's structures, in any version. */
import type { Binary, FunctionSymbol } from '../../contract/binary.ts';
import { isaOf } from '../../discovery/isa/isa-of.ts';
import { FunctionCode } from './function-code.ts';

/** An accessor's first bytes. What comes later can be anything. */
const maxAccessorBytes = 64;
const maxConstantBytes = 16;

/**
 * The offset in its first argument of the `bytes` wide field that a function reads first. An accessor shows the offset of its field this
 * way. Undefined if it reads none.
 */
export function firstFieldRead(binary: Binary, symbol: FunctionSymbol, bytes: 1 | 4 | 8): number | undefined {
  const isa = isaOf(binary.machine);
  const [structure] = isa.cArguments;
  for (const { reads } of isa.effects(binary.code(symbol, maxAccessorBytes))) {
    if (reads?.base !== structure || reads?.bytes !== bytes) continue;
    if (reads.offset >= 0 && reads.offset < 0x10000) return reads.offset;
  }
  return undefined;
}

/** The constant that a function does nothing but return, such as a `sizeof`. Undefined if it returns none, or does more. */
export function returnedConstant(binary: Binary, symbol: FunctionSymbol): number | undefined {
  const isa = isaOf(binary.machine);
  const code = new FunctionCode(isa, symbol, binary.code(symbol, maxConstantBytes));
  for (const { instruction, effects } of code.walk(symbol.address, maxConstantBytes)) {
    if (effects.sets?.register === isa.cResult) return effects.sets.value;
    if (instruction.flow !== 'next') return undefined;
  }
  return undefined;
}
