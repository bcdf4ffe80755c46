/**
 * What the kernel does with a displaced x86-64 instruction.
 * Emulated by arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops) on every kernel since 4.20: one-byte nop,
 * `push reg`, `jmp rel`, `jcc rel`, `call rel32`. The longer nops (0f 1f) are emulated by new kernels only, so they are passed over;
 * everything else is single-stepped, but for what the same file refuses to probe.
 */
import { Code, Decoder, DecoderOptions, FlowControl, Instruction as IcedInstruction } from 'iced-x86';
import type { Flow, Handling, Instruction } from '../isa.ts';

/** See Isa.decode. */
export function decode(code: Uint8Array, address: number, maxInstructions: number): Instruction[] {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const iced = new IcedInstruction();
  decoder.ip = BigInt(address);
  const decoded: Instruction[] = [];
  try {
    let offset = 0;
    while (decoded.length < maxInstructions && decoder.canDecode) {
      decoder.decodeOut(iced);
      const { code: opcode, length } = iced;
      if (opcode === Code.INVALID) break;
      decoded.push(instructionOf(iced, opcode, code.subarray(offset, offset + length), address + offset));
      offset += length;
    }
    return decoded;
  } finally {
    iced.free();
    decoder.free();
  }
}

function instructionOf(iced: IcedInstruction, opcode: Code, bytes: Uint8Array, address: number): Instruction {
  const flow = flowOf(iced.flowControl);
  const relative = flow !== 'next' && (iced.isJccShortOrNear || iced.isJmpShortOrNear || iced.isCallNear);
  // loop and jrcxz are branches too, but not emulated.
  const handling = classOf(opcode, bytes, relative, flow);
  return {
    address,
    length: bytes.length,
    class: handling,
    flow,
    target: relative ? Number(iced.nearBranchTarget) : undefined,
    taken: handling === 'jcc' ? takenWhen(bytes) : undefined,
    landingPad: opcode === Code.Endbr64,
  };
}

function flowOf(flow: FlowControl): Flow {
  switch (flow) {
    case FlowControl.ConditionalBranch:
      return 'branch';
    case FlowControl.Call:
    case FlowControl.IndirectCall:
      return 'call';
    case FlowControl.UnconditionalBranch:
    case FlowControl.IndirectBranch:
    case FlowControl.Return:
    case FlowControl.Exception:
      return 'leaves';
    default:
      return 'next';
  }
}

function classOf(opcode: Code, bytes: Uint8Array, relative: boolean, flow: Flow): Handling {
  for (let at = 0; isPrefix(bytes[at]!); at++) {
    if (refusedPrefixes.has(bytes[at]!)) return 'refused';
    // Intel and AMD read a 16-bit branch differently.
    if (relative && bytes[at] === 0x66) return 'refused';
  }
  switch (opcode) {
    case Code.Push_r64:
      return bytes.length === 1 || (bytes.length === 2 && bytes[0] === 0x41) ? 'push' : 'stepped';
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
      return relative && flow === 'branch' ? 'jcc' : 'stepped';
  }
}

/** is_prefix_bad() of arch/x86/kernel/uprobes.c: es, cs, ss, ds, lock. */
const refusedPrefixes = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf0]);
const otherPrefixes = new Set([0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3]);

function isPrefix(byte: number): boolean {
  return refusedPrefixes.has(byte) || otherPrefixes.has(byte);
}

/** 7x rel8 and 0f 8x rel32, where x is the condition: 4, equal or zero; 5, the opposite. */
function takenWhen(bytes: Uint8Array): Instruction['taken'] {
  const condition = (bytes[0] === 0x0f ? bytes[1]! : bytes[0]!) & 15;
  if (condition === 4) return 'zero';
  return condition === 5 ? 'notZero' : undefined;
}
