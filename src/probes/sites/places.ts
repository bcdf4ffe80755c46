/**
 * The site planner. For a place in a program, it finds the cheapest instruction that is valid there. Choose the instruction, not the
 * symbol: a hit on an emulated one costs 0.5 µs, on any other 15 µs.
 */
import type { Binary, FunctionSymbol } from '../../contract/binary.ts';
import type { Place, Site } from '../../contract/decision.ts';
import { type Instruction, registerSet } from '../../discovery/isa/isa.ts';
import { isEmulated, isEmulatedBranch, isEmulatedCall } from './emulated.ts';
import type { FunctionCode } from './function-code.ts';
import type { ProgramCode } from './program-code.ts';
import { type Chosen, chooseResultBranch, chooseResultPath } from './results.ts';

/** A site of a place, before a point gives it its moment. */
export type UnnamedSite = Omit<Site, 'moment' | 'momentName'>;

export type PlaceOfCalls = Extract<Place, { readonly at: 'calls' }>;
export type PlaceInFunction = Exclude<Extract<Place, { readonly function: string }>, PlaceOfCalls>;

/** A site, or why there is none. */
export type Located =
  | { readonly found: true; readonly site: UnnamedSite }
  | { readonly found: false; readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** A prologue: stack check, frame pointer, frame. */
const maxPrologueInstructions = 16;
/** Of C and C++ functions. */
const maxNativePrologueBytes = 128;
/** Where a stack check branches to. The code there spills the arguments, then calls runtime.morestack. */
const maxSpillInstructions = 32;

/** Finds the site for `place`. A missing symbol or call is an answer, not an error. */
export function locateInFunction(program: ProgramCode, place: PlaceInFunction): Located {
  const symbol =
    place.at === 'nativeEntry' ? nativeFunction(program.binary, place.function) : program.find(place.function);
  if (!symbol) return missing(`${place.function} is not in the binary`);
  const code = program.of(symbol);
  switch (place.at) {
    case 'entry':
      return entrySite(program, code);
    case 'nativeEntry':
      return nativeEntrySite(program, code, place.arguments);
    case 'call':
      return callSite(program, code, place);
    case 'afterCall':
      return afterCallSite(program, code, [place.callee].flat());
    case 'resultBranch':
      return chosenSite(program, code, chooseResultBranch(program, code, place));
    case 'resultPath':
      return chosenSite(program, code, chooseResultPath(program, code, place));
  }
}

/**
 * Entry with all arguments in registers. First choice is the `push` after the stack check (Go ≥ 1.21), then another emulated instruction
 * before the first branch, then the branch of the stack check (it fires again when the stack grows, which BPF recognises), then the first
 * instruction.
 */
function entrySite(program: ProgramCode, code: FunctionCode): Located {
  const { symbol } = code;
  const begin = bodyOf(code);
  if (begin === undefined) return missing(`${symbol.name}: no code at ${hex(symbol.address)}`);
  const needed = registerSet(program.isa.goRegisters);
  let stackCheck: Instruction | undefined;
  for (const { instruction, effects } of code.walk(begin.address, maxPrologueInstructions)) {
    // Frames of many KB check twice: for underflow, then against the guard.
    if (isEmulatedBranch(instruction) && growsStack(program, code, instruction.target)) {
      stackCheck ??= instruction;
      continue;
    }
    if (isEmulated(instruction)) {
      const why = stackCheck
        ? `${instruction.class} after the stack check`
        : 'first emulated instruction of the prologue';
      return at(program, code, instruction, why);
    }
    if (instruction.flow !== 'next' || (effects.writes & needed) !== 0) break;
  }
  if (stackCheck) return at(program, code, stackCheck, 'branch of the stack check; fires again when the stack grows');
  return at(program, code, begin, 'no emulated instruction before the first branch');
}

/** The first instruction that does something. */
function bodyOf(code: FunctionCode): Instruction | undefined {
  return code.at(code.at(0)?.landingPad ? 1 : 0);
}

/**
 * The whole function of that name, or of a mangled name that goes on with parameters. It is not a clone (`.cold`, `.part.0`) or a thunk.
 */
function nativeFunction(binary: Binary, name: string): FunctionSymbol | undefined {
  const mangled = name.startsWith('_Z');
  return (
    binary.symbols.find(name) ?? (mangled ? binary.symbols.findMatching(name, new RegExp(`^${name}[^.]*$`)) : undefined)
  );
}

/** Straight down from the entry: the first emulated instruction, unless a needed argument is overwritten before it. */
function nativeEntrySite(program: ProgramCode, code: FunctionCode, numbers: readonly number[]): Located {
  const { symbol } = code;
  const first = code.at(0);
  if (!first) return missing(`${symbol.name}: no code at ${hex(symbol.address)}`);
  const needed = registerSet(numbers.map((number) => program.isa.cArguments[number]!));
  const begin = bodyOf(code) ?? first;
  for (const { instruction, effects } of code.walk(begin.address, maxNativePrologueBytes)) {
    if (instruction.address + instruction.length > symbol.address + maxNativePrologueBytes) break;
    if (isEmulated(instruction)) {
      return at(program, code, instruction, 'first emulated instruction, arguments intact');
    }
    if (instruction.flow !== 'next' || (effects.writes & needed) !== 0) break;
  }
  return at(program, code, first, 'nothing emulated before an argument is overwritten');
}

/**
 * Whether a branch to `target` ends in a call of runtime.morestack, so that it is the stack check and not a branch of the program's own.
 */
function growsStack(program: ProgramCode, code: FunctionCode, target: number | undefined): boolean {
  if (target === undefined || target <= code.symbol.address) return false;
  let seen = 0;
  for (const instruction of code.from(target)) {
    if (instruction.flow === 'call')
      return program.nameOf(instruction.target)?.startsWith('runtime.morestack') ?? false;
    if (instruction.flow !== 'next' || seen++ === maxSpillInstructions) return false;
  }
  return false;
}

/** The call itself, if it is only on the wanted path. */
function callSite(program: ProgramCode, code: FunctionCode, place: Extract<Place, { at: 'call' }>): Located {
  const { callees, behind } = place;
  const first = behind === undefined ? undefined : program.find(behind);
  const suffix = behind === undefined ? '' : ` behind that of ${behind}`;
  for (const callee of callees) {
    const target = program.find(callee);
    if (!target) continue;
    let passed = behind === undefined;
    for (const instruction of code.from()) {
      if (!isEmulatedCall(instruction)) continue;
      if (passed && instruction.target === target.address) {
        return at(program, code, instruction, `call of ${callee}${suffix}`);
      }
      passed ||= first !== undefined && instruction.target === first.address;
    }
  }
  return missing(
    `${code.symbol.name} calls none of ${callees.join(', ')}${behind === undefined ? '' : ` behind ${behind}`}`,
  );
}

function chosenSite(program: ProgramCode, code: FunctionCode, chosen: Chosen): Located {
  if ('reason' in chosen) return { found: false, ...chosen };
  const located = at(program, code, chosen.instruction, chosen.why);
  if (!located.found || chosen.spec === undefined) return located;
  return { found: true, site: { ...located.site, spec: chosen.spec } };
}

/** Every call of the callee, in address order. */
export function locateCalls(program: ProgramCode, place: PlaceOfCalls): readonly Located[] {
  const symbol = program.find(place.function);
  if (!symbol) return [missing(`${place.function} is not in the binary`)];
  const callee = program.find(place.callee);
  const code = program.of(symbol);
  const located: Located[] = [];
  for (const instruction of code.from()) {
    if (!isEmulatedCall(instruction) || instruction.target !== callee?.address) continue;
    located.push(at(program, code, instruction, `call of ${place.callee}`));
  }
  return located.length > 0 ? located : [missing(`${symbol.name} does not call ${place.callee}`)];
}

/** Straight down from the call. What comes first always runs, so the first emulated instruction is right. */
function afterCallSite(program: ProgramCode, code: FunctionCode, callees: readonly string[]): Located {
  const { name } = code.symbol;
  const known = new Map(callees.map((callee) => [program.find(callee)?.address, callee]));
  known.delete(undefined);
  if (known.size === 0) return missing(`${callees.join(' or ')} is not in the binary`);
  let callee: string | undefined;
  let stepped: Instruction | undefined;
  for (const instruction of code.from()) {
    if (callee === undefined) {
      if (instruction.flow === 'call') callee = known.get(instruction.target);
      continue;
    }
    if (isEmulated(instruction)) {
      return at(program, code, instruction, `first emulated instruction after the call of ${callee}`);
    }
    if (instruction.class === 'stepped') stepped ??= instruction;
    // Behind a branch, the next instruction does not always run. A call comes back, or the goroutine panics or ends.
    if (instruction.flow === 'leaves' || instruction.flow === 'branch') break;
  }
  if (callee === undefined) return missing(`${name} does not call ${callees.join(' or ')}`);
  if (!stepped) return noSite(`${name}: nothing can be probed after the call of ${callee}`);
  return at(program, code, stepped, `nothing emulated after the call of ${callee}`);
}

function at(program: ProgramCode, { symbol, code }: FunctionCode, instruction: Instruction, why: string): Located {
  const { address } = instruction;
  const offset = address - symbol.address;
  const text = program.isa.text(instruction, code.subarray(offset, offset + program.isa.maxInstructionBytes), {
    nameOf: (target) => program.nameOf(target),
    stays: (target) => target > symbol.address && target < symbol.address + symbol.sizeBytes,
  });
  if (instruction.class === 'refused') return noSite(`${symbol.name}: the kernel takes no probe on ${text}`);
  return {
    found: true,
    site: {
      function: symbol.name,
      address,
      fileOffset: symbol.fileOffset + offset,
      class: instruction.class,
      instruction: text,
      why,
    },
  };
}

function noSite(detail: string): Located {
  return { found: false, reason: 'no_cheap_site', detail };
}

function missing(detail: string): Located {
  return { found: false, reason: 'symbol_missing', detail };
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
