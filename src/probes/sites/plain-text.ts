import type { Decoded } from './x64.ts';

const registers = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const conditions = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

/**
 * The text of what sites nearly always are: `push %reg`, the call of a known function, a branch within the function. A real formatter
 * takes 40 ms to set up, a fifth of the time between the start of a program and its first probe, and an index of addresses as long again.
 * Undefined for everything else.
 * @param stays whether an address is within the function
 */
export function plainText(
  instruction: Pick<Decoded, 'class' | 'target'>,
  bytes: Uint8Array,
  nameOf: (target: number) => string | undefined,
  stays: (target: number) => boolean,
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
