/**
 * The site planner: for a place in a program, the cheapest instruction that is legal there (findings §2).
 * Choose the instruction, not the symbol: a hit on an emulated one costs 0.5 µs, on any other 15 µs.
 */
import type { Binary, FunctionSymbol } from '../../contract/binary.ts';
import type { Place, Site, SiteClass } from '../../contract/decision.ts';
import { type Decoded, decode, disassemble, isEndbr64 } from './x64.ts';

/** A site, or why there is none. */
export type Located =
  | { readonly found: true; readonly site: Omit<Site, 'moment'> }
  | { readonly found: false; readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** Go's largest functions are some 100 KB; what is read of one is bounded. */
const maxCodeBytes = 1 << 18;
/** A prologue: stack check, frame pointer, frame. */
const maxPrologueInstructions = 16;

/** Finds the site for `place`. A missing symbol or call is an answer, not an error. */
export function locate(binary: Binary, place: Place): Located {
  const symbol = binary.symbols.find(place.function);
  if (!symbol) return missing(`${place.function} is not in the binary`);
  const code = binary.code(symbol, maxCodeBytes);
  switch (place.at) {
    case 'entry':
      return entrySite(symbol, code);
    case 'call':
      return callSite(binary, symbol, code, place.callees);
    case 'afterCall':
      return afterCallSite(binary, symbol, code, place.callee);
  }
}

/**
 * Entry with all arguments in registers: the `push` after the stack check (Go ≥ 1.21), else the branch of the stack check
 * (it fires again when the stack grows, which BPF recognises), else whatever comes first.
 */
function entrySite(symbol: FunctionSymbol, code: Uint8Array): Located {
  const skip = isEndbr64(code, 0) ? 4 : 0;
  let stackCheck: Decoded | undefined;
  let seen = 0;
  for (const instruction of decode(code.subarray(skip), symbol.address + skip, true)) {
    if (seen++ === maxPrologueInstructions) break;
    if (instruction.class === 'push') {
      return at(symbol, code, instruction, 'push', stackCheck ? 'push after the stack check' : 'push in the prologue');
    }
    if (instruction.class === 'jcc' && !stackCheck) {
      stackCheck = instruction;
      continue;
    }
    if (instruction.class !== 'stepped' && !stackCheck) {
      return at(symbol, code, instruction, instruction.class, 'first emulated instruction of the prologue');
    }
    if (instruction.leaves || instruction.conditional || instruction.call || instruction.writesArgument) break;
  }
  if (stackCheck)
    return at(symbol, code, stackCheck, 'jcc', 'branch of the stack check; fires again when the stack grows');
  const first = decode(code.subarray(skip), symbol.address + skip).next().value;
  if (!first) return missing(`${symbol.name}: no code at ${hex(symbol.address)}`);
  return at(symbol, code, first, first.class, 'no emulated instruction before the first branch');
}

/** The call itself, where it is on the wanted path only. */
function callSite(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, callees: readonly string[]): Located {
  for (const callee of callees) {
    const target = binary.symbols.find(callee);
    if (!target) continue;
    for (const instruction of decode(code, symbol.address)) {
      if (instruction.class === 'call' && instruction.target === target.address) {
        return at(symbol, code, instruction, 'call', `call of ${callee}`);
      }
    }
  }
  return missing(`${symbol.name} calls none of ${callees.join(', ')}`);
}

/** Straight down from the call: what is met first is always run, so the first emulated instruction will do. */
function afterCallSite(binary: Binary, symbol: FunctionSymbol, code: Uint8Array, callee: string): Located {
  const target = binary.symbols.find(callee);
  if (!target) return missing(`${callee} is not in the binary`);
  let called = false;
  let stepped: Decoded | undefined;
  for (const instruction of decode(code, symbol.address)) {
    if (!called) {
      called = instruction.call && instruction.target === target.address;
      continue;
    }
    if (instruction.class !== 'stepped') {
      return at(symbol, code, instruction, instruction.class, `first emulated instruction after the call of ${callee}`);
    }
    stepped ??= instruction;
    if (instruction.leaves) break;
  }
  if (!stepped) return missing(`${symbol.name} does not call ${callee}`);
  return at(symbol, code, stepped, 'stepped', `nothing emulated after the call of ${callee}`);
}

function at(
  symbol: FunctionSymbol,
  code: Uint8Array,
  instruction: Decoded,
  siteClass: SiteClass,
  why: string,
): Located {
  return {
    found: true,
    site: {
      function: symbol.name,
      address: instruction.address,
      fileOffset: symbol.fileOffset + (instruction.address - symbol.address),
      class: siteClass,
      instruction: disassemble(code, symbol.address, instruction.address),
      why,
    },
  };
}

function missing(detail: string): Located {
  return { found: false, reason: 'symbol_missing', detail };
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
