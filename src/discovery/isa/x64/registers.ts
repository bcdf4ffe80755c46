import type { Register } from 'iced-x86';
import { iced } from './iced.ts';

/** In the order in which save_registers() of bpf/usdt/arguments.h copies them. */
export const registers = 'rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

export function numberOf(name: string): number {
  return registers.indexOf(name);
}

let numbers: ReadonlyMap<Register, number> | undefined;

/** The general register that `register` is, or is a part of. Undefined for any other. */
export function generalRegister(register: Register): number | undefined {
  const { Register, RegisterExt } = iced();
  numbers ??= new Map(registers.map((name, number) => [Register[name.toUpperCase() as keyof typeof Register], number]));
  return register === Register.None ? undefined : numbers.get(RegisterExt.fullRegister(register));
}
