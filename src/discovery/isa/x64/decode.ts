/**
 * What the kernel does with a displaced x86-64 instruction. arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops) emulates
 * these on every kernel since 4.20: one-byte nop, `push reg`, `jmp rel`, `jcc rel`, `call rel32`. Only new kernels emulate the longer nops
 * (0f 1f), so uspan does not use them. The kernel single-steps everything else, except for what the same file refuses to probe.
 */
import type { Code, FlowControl, Instruction as IcedInstruction } from 'iced-x86';
import type { Flow, Handling, Instruction } from '../isa.ts';
import { type Iced, iced } from './iced.ts';

/** See Isa.decode. */
export function decode(code: Uint8Array, address: number, maxInstructions: number): Instruction[] {
  const { Decoder, DecoderOptions, Instruction: IcedInstruction } = iced();
  tables ??= tablesOf(iced());
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const instruction = new IcedInstruction();
  decoder.ip = BigInt(address);
  const decoded: Instruction[] = [];
  try {
    let offset = 0;
    while (decoded.length < maxInstructions && decoder.canDecode) {
      decoder.decodeOut(instruction);
      const kind = tables.kinds.get(instruction.code);
      if (kind === 'invalid') break;
      const bytes = code.subarray(offset, offset + instruction.length);
      decoded.push(
        instructionOf(instruction, tables.flows.get(instruction.flowControl) ?? 'next', kind, bytes, address + offset),
      );
      offset += bytes.length;
    }
    return decoded;
  } finally {
    instruction.free();
    decoder.free();
  }
}

/** Instructions that need rules of their own. */
type Kind = 'invalid' | 'push' | 'nop' | 'exchange' | 'call' | 'jump' | 'breakpoint' | 'landingPad';

interface Tables {
  readonly kinds: ReadonlyMap<Code, Kind>;
  readonly flows: ReadonlyMap<FlowControl, Flow>;
}

let tables: Tables | undefined;

function tablesOf({ Code, FlowControl }: Iced): Tables {
  return {
    kinds: new Map<Code, Kind>([
      [Code.INVALID, 'invalid'],
      [Code.Push_r64, 'push'],
      [Code.Nopd, 'nop'],
      [Code.Nopq, 'nop'],
      [Code.Nopw, 'nop'],
      [Code.Xchg_r64_RAX, 'exchange'],
      [Code.Xchg_r32_EAX, 'exchange'],
      [Code.Xchg_r16_AX, 'exchange'],
      [Code.Call_rel32_64, 'call'],
      [Code.Jmp_rel8_64, 'jump'],
      [Code.Jmp_rel32_64, 'jump'],
      [Code.Int3, 'breakpoint'],
      [Code.Endbr64, 'landingPad'],
    ]),
    flows: new Map<FlowControl, Flow>([
      [FlowControl.ConditionalBranch, 'branch'],
      [FlowControl.Call, 'call'],
      [FlowControl.IndirectCall, 'call'],
      [FlowControl.UnconditionalBranch, 'leaves'],
      [FlowControl.IndirectBranch, 'leaves'],
      [FlowControl.Return, 'leaves'],
      [FlowControl.Exception, 'leaves'],
    ]),
  };
}

function instructionOf(
  instruction: IcedInstruction,
  flow: Flow,
  kind: Kind | undefined,
  bytes: Uint8Array,
  address: number,
): Instruction {
  const relative =
    flow !== 'next' && (instruction.isJccShortOrNear || instruction.isJmpShortOrNear || instruction.isCallNear);
  const handling = classOf(kind, bytes, relative, flow);
  return {
    address,
    length: bytes.length,
    class: handling,
    flow,
    target: relative ? Number(instruction.nearBranchTarget) : undefined,
    taken: handling === 'jcc' ? takenWhen(bytes) : undefined,
    landingPad: kind === 'landingPad',
  };
}

function classOf(kind: Kind | undefined, bytes: Uint8Array, relative: boolean, flow: Flow): Handling {
  for (let at = 0; isPrefix(bytes[at]!); at++) {
    if (refusedPrefixes.has(bytes[at]!)) return 'refused';
    // Intel and AMD read a 16-bit branch differently.
    if (relative && bytes[at] === 0x66) return 'refused';
  }
  switch (kind) {
    case 'push':
      return bytes.length === 1 || (bytes.length === 2 && bytes[0] === 0x41) ? 'push' : 'stepped';
    case 'exchange':
      // With %r8 it has the opcode of nop, and kernels before 6.18 take it for one.
      return bytes.at(-1) === 0x90 ? 'refused' : 'stepped';
    case 'breakpoint':
      return 'refused';
    case 'nop':
    case 'call':
      return kind;
    case 'jump':
      return 'jmp';
    default:
      // loop and jrcxz are branches too, but the kernel does not emulate them.
      return relative && flow === 'branch' ? 'jcc' : 'stepped';
  }
}

/** is_prefix_bad() of arch/x86/kernel/uprobes.c: es, cs, ss, ds, lock. */
const refusedPrefixes = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf0]);
const otherPrefixes = new Set([0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3]);

function isPrefix(byte: number): boolean {
  return refusedPrefixes.has(byte) || otherPrefixes.has(byte);
}

/** 7x rel8 and 0f 8x rel32, where x is the condition: 4 is equal or zero, 5 is the opposite. */
function takenWhen(bytes: Uint8Array): Instruction['taken'] {
  const condition = (bytes[0] === 0x0f ? bytes[1]! : bytes[0]!) & 15;
  if (condition === 4) return 'zero';
  return condition === 5 ? 'notZero' : undefined;
}
