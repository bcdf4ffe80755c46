import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import type { Instruction, Surroundings } from '../isa.ts';

/** By their numbers in machine code. */
const registers = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const conditions = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

/**
 * The text of what sites nearly always are: `push %reg`, the call of a known function, a branch within the function. A real formatter
 * takes 40 ms to set up, a fifth of the time between the start of a program and its first probe, and an index of addresses as long again.
 * Undefined for everything else.
 */
export function plainText(
  instruction: Pick<Instruction, 'class' | 'target'>,
  bytes: Uint8Array,
  { nameOf, stays }: Surroundings,
): string | undefined {
  const { target } = instruction;
  if (instruction.class === 'call' && target !== undefined) {
    const name = nameOf(target);
    return name && `call ${name}`;
  }
  // 70+cc rel8, 0f 80+cc rel32; else there are prefixes.
  const opcode = bytes[0] === 0x0f ? bytes[1]! : bytes[0]!;
  if (
    instruction.class === 'jcc' &&
    target !== undefined &&
    stays(target) &&
    (bytes[0] === 0x0f || opcode >> 4 === 7)
  ) {
    return `j${conditions[opcode & 15]} 0x${target.toString(16)}`;
  }
  if (instruction.class !== 'push') return undefined;
  const extended = bytes[0] === 0x41;
  return `push %${registers[(bytes[extended ? 1 : 0]! & 7) + (extended ? 8 : 0)]}`;
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
