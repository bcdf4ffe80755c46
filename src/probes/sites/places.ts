/**
 * The site planner: for a place in a program, the cheapest instruction that is legal there (findings §2).
 * Choose the instruction, not the symbol: a hit on an emulated one costs 0.5 µs, on any other 15 µs.
 */
import type { Binary, FunctionSymbol } from '../../contract/binary.ts';
import type { Place, Site } from '../../contract/decision.ts';
import { plainText } from './plain-text.ts';
import { type Chosen, chooseResultBranch, chooseResultPath } from './results.ts';
import { type Decoded, decode, disassemble, goArguments, isEndbr64, systemVArguments } from './x64.ts';

/** A place's site before a point gives it its moment. */
export type UnnamedSite = Omit<Site, 'moment' | 'momentName'>;

export type PlaceOfCalls = Extract<Place, { readonly at: 'calls' }>;
export type PlaceInFunction = Exclude<Extract<Place, { readonly function: string }>, PlaceOfCalls>;

/** A site, or why there is none. */
export type Located =
  | { readonly found: true; readonly site: UnnamedSite }
  | { readonly found: false; readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** Go's largest functions are some 100 KB; what is read of one is bounded. */
const maxCodeBytes = 1 << 18;
/** A prologue: stack check, frame pointer, frame. */
const maxPrologueInstructions = 16;
/** Of C and C++ functions. */
const maxNativePrologueBytes = 128;
/** Where a stack check branches to: the arguments are spilled, then runtime.morestack is called. */
const maxSpillInstructions = 32;

/** Finds the site for `place`. A missing symbol or call is an answer, not an error. */
export function locateInFunction(binary: Binary, place: PlaceInFunction): Located {
  const symbol =
    place.at === 'nativeEntry' ? nativeFunction(binary, place.function) : binary.symbols.find(place.function);
  if (!symbol) return missing(`${place.function} is not in the binary`);
  const code = binary.code(symbol, maxCodeBytes);
  switch (place.at) {
    case 'entry':
      return entrySite(binary, symbol, code);
    case 'nativeEntry':
      return nativeEntrySite(binary, symbol, code.subarray(0, maxNativePrologueBytes), place.arguments);
    case 'call':
      return callSite(binary, symbol, code, place);
    case 'afterCall':
      return afterCallSite(binary, symbol, code, [place.callee].flat());
    case 'resultBranch':
      return chosenSite(binary, symbol, code, chooseResultBranch(binary, symbol, code, place));
    case 'resultPath':
      return chosenSite(binary, symbol, code, chooseResultPath(binary, symbol, code, place));
  }
}

/**
 * Entry with all arguments in registers: the `push` after the stack check (Go ≥ 1.21), else another emulated instruction before the
 * first branch, else the branch of the stack check (it fires again when the stack grows, which BPF recognises), else whatever comes first.
 */
function entrySite(binary: Binary, symbol: FunctionSymbol, code: Uint8Array): Located {
  const skip = isEndbr64(code, 0) ? 4 : 0;
  const body = code.subarray(skip);
  let stackCheck: Decoded | undefined;
  let seen = 0;
  for (const instruction of decode(body, symbol.address + skip, goArguments)) {
    if (seen++ === maxPrologueInstructions) break;
    // Frames of many KB check twice: for underflow, then against the guard.
    if (instruction.class === 'jcc' && growsStack(binary, symbol, code, instruction.target)) {
      stackCheck ??= instruction;
      continue;
    }
    if (isEmulated(instruction)) {
      const why = stackCheck
        ? `${instruction.class} after the stack check`
        : 'first emulated instruction of the prologue';
      return at(binary, symbol, code, instruction, why);
    }
    if (instruction.leaves || instruction.conditional || instruction.call || instruction.writesWatched) break;
  }
  if (stackCheck) {
    return at(binary, symbol, code, stackCheck, 'branch of the stack check; fires again when the stack grows');
  }
  const first = decode(body, symbol.address + skip).next().value;
  if (!first) return missing(`${symbol.name}: no code at ${hex(symbol.address)}`);
  return at(binary, symbol, code, first, 'no emulated instruction before the first branch');
}

/** The whole function of that name, or of a mangled name that goes on with parameters: no clone (`.cold`, `.part.0`), no thunk. */
function nativeFunction(binary: Binary, name: string): FunctionSymbol | undefined {
  const mangled = name.startsWith('_Z');
  return (
    binary.symbols.find(name) ?? (mangled ? binary.symbols.findMatching(name, new RegExp(`^${name}[^.]*$`)) : undefined)
  );
}

/** Straight down from the entry: the first emulated instruction, unless an argument we need is overwritten before. */
function nativeEntrySite(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, needed: readonly number[]): Located {
  const skip = isEndbr64(code, 0) ? 4 : 0;
  for (const instruction of decode(code.subarray(skip), symbol.address + skip, systemVArguments(needed))) {
    if (isEmulated(instruction)) {
      return at(binary, symbol, code, instruction, 'first emulated instruction, arguments intact');
    }
    if (instruction.leaves || instruction.conditional || instruction.call || instruction.writesWatched) break;
  }
  const first = decode(code, symbol.address).next().value;
  if (!first) return missing(`${symbol.name}: no code at ${hex(symbol.address)}`);
  return at(binary, symbol, code, first, 'nothing emulated before an argument is overwritten');
}

/** Whether a branch of `symbol` to `target` ends in a call of runtime.morestack, so that it is the stack check and not the program's own. */
function growsStack(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, target: number | undefined): boolean {
  if (target === undefined || target <= symbol.address || target >= symbol.address + code.length) return false;
  let seen = 0;
  for (const instruction of decode(code.subarray(target - symbol.address), target)) {
    if (instruction.call) return nameOf(binary, instruction.target)?.startsWith('runtime.morestack') ?? false;
    if (instruction.leaves || instruction.conditional || seen++ === maxSpillInstructions) return false;
  }
  return false;
}

/** The call itself, where it is on the wanted path only. */
function callSite(
  binary: Binary,
  symbol: FunctionSymbol,
  code: Uint8Array,
  { callees, behind }: Extract<Place, { at: 'call' }>,
): Located {
  const first = behind === undefined ? undefined : binary.symbols.find(behind);
  for (const callee of callees) {
    const target = binary.symbols.find(callee);
    if (!target) continue;
    let passed = behind === undefined;
    for (const instruction of decode(code, symbol.address)) {
      if (instruction.class !== 'call') continue;
      if (passed && instruction.target === target.address) {
        const why = `call of ${callee}${behind === undefined ? '' : ` behind that of ${behind}`}`;
        return at(binary, symbol, code, instruction, why);
      }
      passed ||= first !== undefined && instruction.target === first.address;
    }
  }
  return missing(
    `${symbol.name} calls none of ${callees.join(', ')}${behind === undefined ? '' : ` behind ${behind}`}`,
  );
}

function chosenSite(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, chosen: Chosen): Located {
  if ('reason' in chosen) return { found: false, ...chosen };
  const located = at(binary, symbol, code, chosen.instruction, chosen.why);
  if (!located.found || chosen.spec === undefined) return located;
  return { found: true, site: { ...located.site, spec: chosen.spec } };
}

/** Every call of the callee, in address order. */
export function locateCalls(binary: Binary, place: PlaceOfCalls): readonly Located[] {
  const symbol = binary.symbols.find(place.function);
  if (!symbol) return [missing(`${place.function} is not in the binary`)];
  const callee = binary.symbols.find(place.callee);
  const code = binary.code(symbol, maxCodeBytes);
  const located: Located[] = [];
  for (const instruction of decode(code, symbol.address)) {
    if (instruction.class !== 'call' || instruction.target !== callee?.address) continue;
    located.push(at(binary, symbol, code, instruction, `call of ${place.callee}`));
  }
  return located.length > 0 ? located : [missing(`${symbol.name} does not call ${place.callee}`)];
}

/** Straight down from the call: what is met first is always run, so the first emulated instruction will do. */
function afterCallSite(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, callees: readonly string[]): Located {
  const known = new Map(callees.map((callee) => [binary.symbols.find(callee)?.address, callee]));
  known.delete(undefined);
  if (known.size === 0) return missing(`${callees.join(' or ')} is not in the binary`);
  let callee: string | undefined;
  let stepped: Decoded | undefined;
  for (const instruction of decode(code, symbol.address)) {
    if (callee === undefined) {
      if (instruction.call) callee = known.get(instruction.target);
      continue;
    }
    if (isEmulated(instruction)) {
      return at(binary, symbol, code, instruction, `first emulated instruction after the call of ${callee}`);
    }
    if (instruction.class === 'stepped') stepped ??= instruction;
    // Behind a branch, what comes next is not always run. A call comes back, or the goroutine panics or ends.
    if (instruction.leaves || instruction.conditional) break;
  }
  if (callee === undefined) return missing(`${symbol.name} does not call ${callees.join(' or ')}`);
  if (!stepped) return noSite(`${symbol.name}: nothing can be probed after the call of ${callee}`);
  return at(binary, symbol, code, stepped, `nothing emulated after the call of ${callee}`);
}

function isEmulated(instruction: Decoded): boolean {
  return instruction.class !== 'stepped' && instruction.class !== 'refused';
}

function at(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, instruction: Decoded, why: string): Located {
  const { address } = instruction;
  const text =
    plainText(
      instruction,
      code.subarray(address - symbol.address),
      (target) => nameOf(binary, target),
      (target) => target > symbol.address && target < symbol.address + symbol.sizeBytes,
    ) ?? disassemble(code, symbol.address, address, (target) => nameOf(binary, target));
  if (instruction.class === 'refused') return noSite(`${symbol.name}: the kernel takes no probe on ${text}`);
  return {
    found: true,
    site: {
      function: symbol.name,
      address,
      fileOffset: symbol.fileOffset + (address - symbol.address),
      class: instruction.class,
      instruction: text,
      why,
    },
  };
}

/** The function that begins at `address`. */
function nameOf(binary: Binary, address: number | undefined): string | undefined {
  const symbol = address === undefined ? undefined : binary.symbols.at(address);
  return symbol?.address === address ? symbol?.name : undefined;
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
