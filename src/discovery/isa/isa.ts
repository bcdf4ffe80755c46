/** What the planner asks about machine code, in words that fit every machine. Each machine has one implementation: see `isaOf`. */
import type { Machine } from '../../contract/binary.ts';
import type { SiteClass } from '../../contract/decision.ts';

/** `refused`: the kernel takes no probe there, or older kernels emulate it wrongly. */
export type Handling = SiteClass | 'refused';

/**
 * Where control goes: to the `next` instruction; there or elsewhere (`branch`); elsewhere and back (`call`). Or it `leaves` the straight
 * line for good, by a jump, a return or a trap.
 */
export type Flow = 'next' | 'branch' | 'call' | 'leaves';

/** One instruction of a function. */
export interface Instruction {
  /** Link-time virtual address. */
  readonly address: number;
  /** In bytes. */
  readonly length: number;
  readonly class: Handling;
  readonly flow: Flow;
  /** Address that a direct branch, jump or call leads to. */
  readonly target: number | undefined;
  /** Which way a branch goes: taken if the tested value is 0, or if it is not. Undefined for branches on anything else. */
  readonly taken: 'zero' | 'notZero' | undefined;
  /** It only marks where indirect branches may lead, as the first instruction of a function can. */
  readonly landingPad: boolean;
}

/** What an instruction does with general registers. Registers are numbers: see `Isa.registers`. */
export interface Effects {
  /** Registers that it writes, or may write, in whole or in part: bit n is register n. */
  readonly writes: number;
  /** The register that it compares with 0. */
  readonly tests: number | undefined;
  /** A whole register that it stores at this offset from the stack pointer. */
  readonly saves: { readonly register: number; readonly offset: number } | undefined;
  /** The 1, 4 or 8 bytes that it reads at this offset from a register. */
  readonly reads: { readonly base: number; readonly offset: number; readonly bytes: number } | undefined;
  /** A constant that it moves into a register: a u32. */
  readonly sets: { readonly register: number; readonly value: number } | undefined;
  /** The register whose lowest bit alone it turns over, as `!` does to a bool. */
  readonly negates: number | undefined;
}

/** What is at the address of a USDT note. */
export interface NoteSite {
  readonly class: Handling;
  /** As a disassembler prints it. */
  readonly text: string;
  /** Whether a probe there can overwrite what the function keeps below its stack pointer. */
  readonly overwritesRedZone: boolean;
}

/** What the text of an instruction needs to know about the program around it. */
export interface Surroundings {
  /** The function that begins at this address. */
  nameOf(target: number): string | undefined;
  /** Whether an address is within the instruction's own function. */
  stays(target: number): boolean;
}

export interface Isa {
  readonly machine: Machine;
  /** Whether the planner chooses sites in its functions. If not, uspan only lists USDT sites. */
  readonly hasSiteRules: boolean;
  /** Names of the general registers by number. The numbers are those of `struct uspan_usdt_argument` (bpf/usdt/arguments.h). */
  readonly registers: readonly string[];
  /** Where Go passes integer arguments, and in the same order results: src/cmd/compile/abi-internal.md. */
  readonly goRegisters: readonly number[];
  /** Where C passes integer arguments. */
  readonly cArguments: readonly number[];
  /** Where C returns an integer. */
  readonly cResult: number;
  readonly maxInstructionBytes: number;
  /**
   * The instructions of `code`, at most `maxInstructions`, and only up to the first bytes that are not an instruction.
   * @param address link-time virtual address of its first byte, where an instruction begins
   */
  decode(code: Uint8Array, address: number, maxInstructions: number): Instruction[];
  /** What the instructions of `code` do, one after the other, as long as the caller goes on. */
  effects(code: Uint8Array): Generator<Effects, void>;
  /** An instruction as a disassembler prints it. @param code begins with it */
  text(instruction: Instruction, code: Uint8Array, surroundings: Surroundings): string;
  /** The instruction at the start of `code`, as the site of a USDT probe. Undefined: there is none. */
  noteSite(code: Uint8Array, address: number): NoteSite | undefined;
}

/** Registers as a set: bit n is register n. */
export function registerSet(registers: readonly number[]): number {
  return registers.reduce((set, register) => set | (1 << register), 0);
}
