/**
 * What the kernel does with a displaced x86-64 instruction, decoded by iced-x86.
 * Emulated by arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops) on every kernel since 4.20: one-byte nop,
 * `push reg`, `jmp rel`, `jcc rel`, `call rel32`. The longer nops (0f 1f) are emulated by new kernels only, so they are passed over;
 * everything else is single-stepped, but for what the same file refuses to probe.
 */
import {
  Code,
  Decoder,
  DecoderOptions,
  FlowControl,
  Formatter,
  FormatterSyntax,
  Instruction,
  InstructionInfoFactory,
  Mnemonic,
  OpAccess,
  Register,
  RegisterExt,
} from 'iced-x86';
import type { SiteClass } from '../../contract/decision.ts';

/** `refused`: the kernel takes no probe there, or older ones emulate it wrongly. */
export type Handling = SiteClass | 'refused';

export interface Decoded {
  readonly address: number;
  readonly length: number;
  readonly class: Handling;
  /** Target of a direct branch or call. */
  readonly target: number | undefined;
  /** Leaves the straight line for good: jmp, ret, indirect jmp, ud2. */
  readonly leaves: boolean;
  readonly conditional: boolean;
  readonly call: boolean;
  /** Writes one of the registers that were asked for. */
  readonly writesWatched: boolean;
}

function classOf(instruction: Instruction, bytes: Uint8Array): Handling {
  const { prefixes, rex } = prefixesOf(bytes);
  if (prefixes.some((prefix) => refusedPrefixes.has(prefix))) return 'refused';
  const branch = instruction.isJccShortOrNear || instruction.isJmpShortOrNear || instruction.isCallNear;
  // Intel and AMD read a 16-bit branch differently.
  if (branch && prefixes.includes(0x66)) return 'refused';
  switch (instruction.code) {
    case Code.Push_r64:
      return bytes.length === 1 || (bytes.length === 2 && rex === 0x41) ? 'push' : 'stepped';
    case Code.Nopd:
    case Code.Nopq:
    case Code.Nopw:
      return 'nop';
    case Code.Xchg_r64_RAX:
    case Code.Xchg_r32_EAX:
    case Code.Xchg_r16_AX:
      // With %r8 it has the opcode of nop, for which kernels before 6.18 take it.
      return bytes.at(-1) === 0x90 ? 'refused' : 'stepped';
    case Code.Call_rel32_64:
      return 'call';
    case Code.Jmp_rel8_64:
    case Code.Jmp_rel32_64:
      return 'jmp';
    case Code.Int3:
      return 'refused';
    default:
      // loop and jrcxz are conditional too, but not emulated.
      return instruction.isJccShortOrNear ? 'jcc' : 'stepped';
  }
}

/** is_prefix_bad() of arch/x86/kernel/uprobes.c: es, cs, ss, ds, lock. */
const refusedPrefixes = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf0]);
const otherPrefixes = new Set([0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3]);

function prefixesOf(bytes: Uint8Array): { prefixes: Uint8Array; rex: number | undefined } {
  let count = 0;
  while (refusedPrefixes.has(bytes[count]!) || otherPrefixes.has(bytes[count]!)) count++;
  const next = bytes[count]!;
  return { prefixes: bytes.subarray(0, count), rex: next >> 4 === 4 ? next : undefined };
}

/** Go's ABIInternal integer argument registers, src/cmd/compile/abi-internal.md. */
export const goArguments: ReadonlySet<Register> = new Set([
  Register.RAX,
  Register.RBX,
  Register.RCX,
  Register.RDI,
  Register.RSI,
  Register.R8,
  Register.R9,
  Register.R10,
  Register.R11,
]);

const systemV = [Register.RDI, Register.RSI, Register.RDX, Register.RCX, Register.R8, Register.R9];

/** Registers of the arguments with these numbers: System V ABI, x86-64 supplement, §3.2.3. */
export function systemVArguments(numbers: readonly number[]): ReadonlySet<Register> {
  return new Set(numbers.map((number) => systemV[number]!));
}

function writesAny(
  factory: InstructionInfoFactory,
  instruction: Instruction,
  registers: ReadonlySet<Register>,
): boolean {
  const info = factory.info(instruction);
  try {
    return info
      .usedRegisters()
      .some(
        (used) =>
          used.access !== OpAccess.Read &&
          used.access !== OpAccess.CondRead &&
          registers.has(RegisterExt.fullRegister(used.register)),
      );
  } finally {
    info.free();
  }
}

/** The instructions of `code`, which starts at link-time address `address` up to the first invalid one. */
export function* decode(code: Uint8Array, address: number, watched?: ReadonlySet<Register>): Generator<Decoded> {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const factory = watched ? new InstructionInfoFactory() : undefined;
  const instruction = new Instruction();
  decoder.ip = BigInt(address);
  try {
    while (decoder.canDecode) {
      decoder.decodeOut(instruction);
      const at = Number(instruction.ip);
      if (instruction.isInvalid) return;
      const flow = instruction.flowControl;
      const direct = instruction.isJccShortOrNear || instruction.isJmpShortOrNear || instruction.isCallNear;
      yield {
        address: at,
        length: instruction.length,
        class: classOf(instruction, code.subarray(at - address, at - address + instruction.length)),
        target: direct ? Number(instruction.nearBranchTarget) : undefined,
        leaves:
          flow === FlowControl.UnconditionalBranch ||
          flow === FlowControl.IndirectBranch ||
          flow === FlowControl.Return ||
          flow === FlowControl.Exception ||
          instruction.mnemonic === Mnemonic.Ud2,
        conditional: flow === FlowControl.ConditionalBranch,
        call: flow === FlowControl.Call || flow === FlowControl.IndirectCall,
        writesWatched: factory !== undefined && watched !== undefined && writesAny(factory, instruction, watched),
      };
    }
  } finally {
    instruction.free();
    factory?.free();
    decoder.free();
  }
}

/**
 * The instruction at link-time address `at`, as a disassembler prints it; the target of a direct call or branch by its name where
 * `nameOf` knows one.
 */
export function disassemble(
  code: Uint8Array,
  address: number,
  at: number,
  nameOf: (target: number) => string | undefined,
): string {
  const decoder = new Decoder(64, code.subarray(at - address, at - address + 15), DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Gas);
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  decoder.ip = BigInt(at);
  const instruction = decoder.decode();
  try {
    const direct = instruction.isJccShortOrNear || instruction.isJmpShortOrNear || instruction.isCallNear;
    const name = direct ? nameOf(Number(instruction.nearBranchTarget)) : undefined;
    if (name !== undefined) return `${formatter.formatMnemonic(instruction)} ${name}`;
    return formatter.format(instruction).replace(/\s+/g, ' ');
  } finally {
    instruction.free();
    formatter.free();
    decoder.free();
  }
}

/** Whether the bytes at `at` are endbr64. */
export function isEndbr64(code: Uint8Array, at: number): boolean {
  return code[at] === 0xf3 && code[at + 1] === 0x0f && code[at + 2] === 0x1e && code[at + 3] === 0xfa;
}
