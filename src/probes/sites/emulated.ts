import type { Instruction } from '../../discovery/isa/isa.ts';

/** Whether the kernel emulates it under a probe, so that a hit is cheap. */
export function isEmulated({ class: handling }: Instruction): boolean {
  return handling !== 'stepped' && handling !== 'refused';
}

export function isEmulatedBranch(instruction: Instruction): boolean {
  return instruction.flow === 'branch' && isEmulated(instruction);
}

export function isEmulatedCall(instruction: Instruction): boolean {
  return instruction.flow === 'call' && isEmulated(instruction);
}
