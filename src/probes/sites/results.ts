/** Sites where a Go function has the results of a call it made in registers, which `ret` of that function would have too late or too dear. */
import type { Binary, FunctionSymbol } from '../../contract/binary.ts';
import type { Place } from '../../contract/decision.ts';
import type { UnnamedSite } from './places.ts';
import { type ResultRegister, type ResultUse, resultUse } from './registers.ts';
import { type Decoded, decode } from './x64.ts';

type ResultBranch = Extract<Place, { at: 'resultBranch' }>;
type ResultPath = Extract<Place, { at: 'resultPath' }>;

/** An instruction to probe, or why there is none. */
export type Chosen =
  | { readonly instruction: Decoded; readonly why: string; readonly spec?: UnnamedSite['spec'] }
  | { readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** Between the return of a call and the branch on its result, and on the way to the first cheap instruction. */
const maxInstructions = 24;

/** The branch on what the call gave, with nothing written to a result register since. */
export function chooseResultBranch(
  binary: Binary,
  symbol: FunctionSymbol,
  code: Uint8Array,
  place: ResultBranch,
): Chosen {
  const from = returnOf(binary, symbol, code, place.callee, place.of);
  if (from === undefined) return notCalled(symbol, place.callee);
  for (const instruction of instructionsFrom(symbol, code, from)) {
    if (instruction.class === 'jcc') return { instruction, why: `branch on the result of ${describe(place)}` };
    if (instruction.leaves || instruction.call || use(symbol, code, instruction).writes.size > 0) break;
  }
  return { reason: 'no_cheap_site', detail: `${symbol.name}: no branch on the result of ${describe(place)}` };
}

/** The first cheap instruction on the way taken when the call gave an error, or true. */
export function chooseResultPath(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, place: ResultPath): Chosen {
  const from = returnOf(binary, symbol, code, place.callee, 'callee');
  if (from === undefined) return notCalled(symbol, place.callee);
  const wanted = place.result === 'error' ? 'rbx' : 'rax';
  const way = wayTaken(symbol, code, from, wanted);
  const why = `on the way after ${place.callee} gave ${place.result === 'error' ? 'an error' : 'true'}`;
  if (way === undefined) return { reason: 'no_cheap_site', detail: `${symbol.name}: no branch ${why}` };
  const kept = new Set<ResultRegister>(['rbx', 'rcx']);
  const saved = new Map<ResultRegister, number>();
  for (const instruction of instructionsFrom(symbol, code, way)) {
    if (instruction.class !== 'stepped' && instruction.class !== 'refused') {
      const spec = place.result === 'error' ? whereError(kept, saved) : 0;
      if (spec === undefined) break;
      return { instruction, why: `first emulated instruction ${why}`, ...(spec === 0 ? {} : { spec }) };
    }
    if (instruction.leaves || instruction.conditional || instruction.call) break;
    const { saves, writes } = use(symbol, code, instruction);
    if (saves && kept.has(saves.register)) saved.set(saves.register, saves.offset);
    for (const register of writes) kept.delete(register);
  }
  return { reason: 'no_cheap_site', detail: `${symbol.name}: nothing can be probed ${why}` };
}

/** Where the error is: 0, in BX and CX; else the offsets from SP of its two words, 16 bits each; undefined, nowhere. */
function whereError(kept: ReadonlySet<ResultRegister>, saved: ReadonlyMap<ResultRegister, number>): number | undefined {
  if (kept.has('rbx') && kept.has('rcx')) return 0;
  const type = saved.get('rbx');
  const data = saved.get('rcx');
  if (type === undefined || data === undefined || type > 0x7fff || data > 0xffff) return undefined;
  return ((type << 16) | data) >>> 0;
}

/** Address of the instruction behind the call; `result`: behind the next indirect call, of a method of what the callee gave. */
function returnOf(
  binary: Binary,
  symbol: FunctionSymbol,
  code: Uint8Array,
  callee: string,
  of: 'callee' | 'result',
): number | undefined {
  const target = binary.symbols.find(callee);
  if (!target) return undefined;
  let called = false;
  for (const instruction of decode(code, symbol.address)) {
    const next = instruction.address + instruction.length;
    if (called && instruction.call && instruction.target === undefined) return next;
    if (!instruction.call || instruction.target !== target.address) continue;
    if (of === 'callee') return next;
    called = true;
  }
  return undefined;
}

/** Where `test r, r` and the branch behind it lead when r is not 0. */
function wayTaken(symbol: FunctionSymbol, code: Uint8Array, from: number, wanted: ResultRegister): number | undefined {
  let tested = false;
  for (const instruction of instructionsFrom(symbol, code, from)) {
    if (instruction.class === 'jcc') {
      const bytes = code.subarray(instruction.address - symbol.address);
      const condition = bytes[0] === 0x0f ? bytes[1]! & 15 : bytes[0]! & 15;
      if (!tested) return undefined;
      if (condition === 5) return instruction.target;
      return condition === 4 ? instruction.address + instruction.length : undefined;
    }
    if (instruction.leaves || instruction.conditional || instruction.call) return undefined;
    const { tests, writes } = use(symbol, code, instruction);
    if (writes.has(wanted)) return undefined;
    if (tests !== undefined) tested = tests === wanted;
  }
  return undefined;
}

function* instructionsFrom(symbol: FunctionSymbol, code: Uint8Array, address: number): Generator<Decoded> {
  let seen = 0;
  if (address < symbol.address || address >= symbol.address + code.length) return;
  for (const instruction of decode(code.subarray(address - symbol.address), address)) {
    if (seen++ === maxInstructions) return;
    yield instruction;
  }
}

function use(symbol: FunctionSymbol, code: Uint8Array, { address, length }: Decoded): ResultUse {
  return resultUse(code.subarray(address - symbol.address, address - symbol.address + length));
}

function describe({ callee, of }: ResultBranch): string {
  return of === 'callee' ? callee : `what ${callee} gave`;
}

function notCalled(symbol: FunctionSymbol, callee: string): Chosen {
  return { reason: 'symbol_missing', detail: `${symbol.name} does not call ${callee}` };
}
