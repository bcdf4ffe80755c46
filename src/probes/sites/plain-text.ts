import type { Decoded } from './x64.ts';

const registers = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

/** By the low half of the opcode. */
const conditions = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

/**
 * The text of what sites nearly always are: `push %reg`, a conditional branch and the call of a known function. A real formatter takes 40 ms to set up, a
 * fifth of the time between the start of a program and its first probe. Undefined for everything else.
 */
export function plainText(
  instruction: Pick<Decoded, 'class' | 'target'>,
  bytes: Uint8Array,
  nameOf: (target: number) => string | undefined,
): string | undefined {
  if (instruction.class === 'call' && instruction.target !== undefined) {
    const name = nameOf(instruction.target);
    return name && `call ${name}`;
  }
  if (instruction.class === 'jcc' && instruction.target !== undefined) {
    const opcode = bytes[0] === 0x0f ? bytes[1]! : bytes[0]!;
    return `j${conditions[opcode & 15]} 0x${instruction.target.toString(16)}`;
  }
  if (instruction.class !== 'push') return undefined;
  const extended = bytes[0] === 0x41;
  const opcode = bytes[extended ? 1 : 0]!;
  return `push %${registers[(opcode & 7) + (extended ? 8 : 0)]}`;
}
