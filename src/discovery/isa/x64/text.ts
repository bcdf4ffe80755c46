import type { Instruction, Surroundings } from '../isa.ts';
import { iced } from './iced.ts';

/** By their numbers in machine code. */
const registers = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const conditions = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

/**
 * The text of the instructions that nearly all sites are: `push %reg`, the call of a known function, a branch within the function, `nop`. A
 * real formatter takes 40 ms to set up, which is a fifth of the time between the start of a program and its first probe. An index of
 * addresses takes as long again. Undefined for everything else.
 */
export function plainText(
  instruction: Pick<Instruction, 'class' | 'target'>,
  bytes: Uint8Array,
  { nameOf, stays }: Surroundings,
): string | undefined {
  const { class: handling, target } = instruction;
  const inside = target !== undefined && stays(target);
  // 70+cc rel8, 0f 80+cc rel32; eb rel8, e9 rel32. Otherwise there are prefixes.
  const opcode = bytes[0] === 0x0f ? bytes[1]! : bytes[0]!;
  switch (handling) {
    case 'call': {
      const name = target === undefined ? undefined : nameOf(target);
      return name && `call ${name}`;
    }
    case 'jcc':
      if (!inside || (bytes[0] !== 0x0f && opcode >> 4 !== 7)) return undefined;
      return `j${conditions[opcode & 15]} 0x${target.toString(16)}`;
    case 'jmp':
      return inside && (opcode === 0xeb || opcode === 0xe9) ? `jmp 0x${target.toString(16)}` : undefined;
    case 'nop':
      if (opcode === 0x90) return 'nop';
      return bytes[0] === 0x66 && bytes[1] === 0x90 ? 'xchg %ax,%ax' : undefined;
    case 'push': {
      const extended = bytes[0] === 0x41;
      return `push %${registers[(bytes[extended ? 1 : 0]! & 7) + (extended ? 8 : 0)]}`;
    }
    default:
      return undefined;
  }
}

/**
 * The instruction at link-time address `at`, as a disassembler prints it. The target of a direct call or branch has its name if `nameOf`
 * knows one.
 */
export function disassemble(
  code: Uint8Array,
  address: number,
  at: number,
  nameOf: (target: number) => string | undefined,
): string {
  const { Decoder, DecoderOptions, Formatter, FormatterSyntax } = iced();
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
