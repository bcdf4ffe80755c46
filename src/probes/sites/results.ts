/** Sites where a Go function has the results of a call in registers, for cases where its own return is too late or too expensive. */
import type { FunctionSymbol } from '../../contract/binary.ts';
import type { Place } from '../../contract/decision.ts';
import { type Instruction, registerSet } from '../../discovery/isa/isa.ts';
import { isEmulated, isEmulatedBranch } from './emulated.ts';
import type { FunctionCode } from './function-code.ts';
import type { UnnamedSite } from './places.ts';
import type { ProgramCode } from './program-code.ts';

type ResultBranch = Extract<Place, { at: 'resultBranch' }>;
type ResultPath = Extract<Place, { at: 'resultPath' }>;

/** An instruction to probe, or why there is none. */
export type Chosen =
  | { readonly instruction: Instruction; readonly why: string; readonly spec?: UnnamedSite['spec'] }
  | { readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** Bounds of the walk between the return of a call and the branch on its result, and on to the first cheap instruction. */
const maxInstructions = 24;

/** The branch on the result of the call, with no write since to a register of its first three results. */
export function chooseResultBranch(program: ProgramCode, code: FunctionCode, place: ResultBranch): Chosen {
  const { symbol } = code;
  const from = returnOf(program, code, place.callee, place.of);
  if (from === undefined) return notCalled(symbol, place.callee);
  const results = registerSet(program.isa.goRegisters.slice(0, 3));
  for (const { instruction, effects } of code.walk(from, maxInstructions)) {
    if (isEmulatedBranch(instruction)) return { instruction, why: `branch on the result of ${describe(place)}` };
    if (instruction.flow === 'leaves' || instruction.flow === 'call' || (effects.writes & results) !== 0) break;
  }
  return { reason: 'no_cheap_site', detail: `${symbol.name}: no branch on the result of ${describe(place)}` };
}

/** The first cheap instruction on the path that is taken if the call returned an error, or true. */
export function chooseResultPath(program: ProgramCode, code: FunctionCode, place: ResultPath): Chosen {
  const { symbol } = code;
  const from = returnOf(program, code, place.callee, 'callee');
  if (from === undefined) return notCalled(symbol, place.callee);
  // An error comes behind a pointer: type and data are the second and third result.
  const [truth, type, data] = program.isa.goRegisters as [number, number, number];
  const way = wayTaken(code, from, place.result === 'error' ? type : truth);
  const why = `on the way after ${place.callee} gave ${place.result === 'error' ? 'an error' : 'true'}`;
  if (way === undefined) return { reason: 'no_cheap_site', detail: `${symbol.name}: no branch ${why}` };
  let kept = registerSet([type, data]);
  const saved = new Map<number, number>();
  for (const { instruction, effects } of code.walk(way, maxInstructions)) {
    if (isEmulated(instruction)) {
      const intact = kept === registerSet([type, data]);
      const spec = place.result !== 'error' || intact ? 0 : whereSaved(saved.get(type), saved.get(data));
      if (spec === undefined) break;
      return { instruction, why: `first emulated instruction ${why}`, ...(spec === 0 ? {} : { spec }) };
    }
    if (instruction.flow !== 'next') break;
    const { saves, writes } = effects;
    if (saves && (kept & (1 << saves.register)) !== 0) saved.set(saves.register, saves.offset);
    kept &= ~writes;
  }
  return { reason: 'no_cheap_site', detail: `${symbol.name}: nothing can be probed ${why}` };
}

/** The offsets from the stack pointer of an error's two words, 16 bits each. Undefined: it is not on the stack. */
function whereSaved(type: number | undefined, data: number | undefined): number | undefined {
  if (type === undefined || data === undefined || type > 0x7fff || data > 0xffff) return undefined;
  return ((type << 16) | data) >>> 0;
}

/**
 * Address of the instruction behind the call. With `result`, behind the next indirect call, which is of a method of what the callee
 * returned.
 */
function returnOf(
  program: ProgramCode,
  code: FunctionCode,
  callee: string,
  of: 'callee' | 'result',
): number | undefined {
  const target = program.find(callee);
  if (!target) return undefined;
  let called = false;
  for (const instruction of code.from()) {
    if (instruction.flow !== 'call') continue;
    const next = instruction.address + instruction.length;
    if (called && instruction.target === undefined) return next;
    if (instruction.target !== target.address) continue;
    if (of === 'callee') return next;
    called = true;
  }
  return undefined;
}

/** Where a test of the register, and the branch behind it, lead if it is not 0. */
function wayTaken(code: FunctionCode, from: number, wanted: number): number | undefined {
  let tested = false;
  for (const { instruction, effects } of code.walk(from, maxInstructions)) {
    if (isEmulatedBranch(instruction)) {
      if (!tested || instruction.taken === undefined) return undefined;
      return instruction.taken === 'notZero' ? instruction.target : instruction.address + instruction.length;
    }
    if (instruction.flow !== 'next' || (effects.writes & (1 << wanted)) !== 0) return undefined;
    if (effects.tests !== undefined) tested = effects.tests === wanted;
  }
  return undefined;
}

function describe({ callee, of }: ResultBranch): string {
  return of === 'callee' ? callee : `what ${callee} gave`;
}

function notCalled(symbol: FunctionSymbol, callee: string): Chosen {
  return { reason: 'symbol_missing', detail: `${symbol.name} does not call ${callee}` };
}
