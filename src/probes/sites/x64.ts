/**
 * What the kernel does with a displaced x86-64 instruction, decoded by iced-x86.
 * Emulated by arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops) on every kernel since 4.20: one-byte nop,
 * `push reg`, `jmp rel`, `jcc rel`, `call rel32`, without a 0x66 prefix. The longer nops (0f 1f) are emulated by new kernels only,
 * so they are passed over; everything else is single-stepped.
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

export interface Decoded {
  readonly address: number;
  readonly length: number;
  readonly class: SiteClass;
  /** Target of a direct branch or call. */
  readonly target: number | undefined;
  /** Leaves the straight line for good: jmp, ret, indirect jmp, ud2. */
  readonly leaves: boolean;
  readonly conditional: boolean;
  readonly call: boolean;
  /** Writes one of Go's integer argument registers (AX BX CX DI SI R8–R11); looked at only where asked for. */
  readonly writesArgument: boolean;
}

function classOf(instruction: Instruction, hasOperandSizePrefix: boolean): SiteClass {
  switch (instruction.code) {
    case Code.Push_r64:
      return 'push';
    case Code.Nopd:
    case Code.Nopq:
    case Code.Nopw:
      return 'nop';
    case Code.Call_rel32_64:
      return hasOperandSizePrefix ? 'stepped' : 'call';
    case Code.Jmp_rel8_64:
    case Code.Jmp_rel32_64:
      return hasOperandSizePrefix ? 'stepped' : 'jmp';
    default:
      // loop and jrcxz are conditional too, but not emulated.
      if (instruction.isJccShortOrNear && !hasOperandSizePrefix) return 'jcc';
      return 'stepped';
  }
}

/** Go's ABIInternal integer argument registers, src/cmd/compile/abi-internal.md. */
const argumentRegisters = new Set<Register>([
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

function writesArgument(factory: InstructionInfoFactory, instruction: Instruction): boolean {
  const info = factory.info(instruction);
  try {
    return info
      .usedRegisters()
      .some(
        (used) =>
          used.access !== OpAccess.Read &&
          used.access !== OpAccess.CondRead &&
          argumentRegisters.has(RegisterExt.fullRegister(used.register)),
      );
  } finally {
    info.free();
  }
}

/** The instructions of `code`, which starts at link-time address `address` up to the first invalid one. */
export function* decode(code: Uint8Array, address: number, watchArguments = false): Generator<Decoded> {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const factory = watchArguments ? new InstructionInfoFactory() : undefined;
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
        class: classOf(instruction, code[at - address] === 0x66),
        target: direct ? Number(instruction.nearBranchTarget) : undefined,
        leaves:
          flow === FlowControl.UnconditionalBranch ||
          flow === FlowControl.IndirectBranch ||
          flow === FlowControl.Return ||
          flow === FlowControl.Exception ||
          instruction.mnemonic === Mnemonic.Ud2,
        conditional: flow === FlowControl.ConditionalBranch,
        call: flow === FlowControl.Call || flow === FlowControl.IndirectCall,
        writesArgument: factory !== undefined && writesArgument(factory, instruction),
      };
    }
  } finally {
    instruction.free();
    factory?.free();
    decoder.free();
  }
}

/** The instruction at link-time address `at`, as a disassembler prints it. */
export function disassemble(code: Uint8Array, address: number, at: number): string {
  const decoder = new Decoder(64, code.subarray(at - address, at - address + 15), DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Gas);
  decoder.ip = BigInt(at);
  const instruction = decoder.decode();
  try {
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
