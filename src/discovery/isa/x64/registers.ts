import { Register, RegisterExt } from 'iced-x86';

/** In the order in which save_registers() of bpf/usdt/arguments.h copies them. */
export const registers = 'rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

export function numberOf(name: string): number {
  return registers.indexOf(name);
}

const numbers = new Map<Register, number>(
  registers.map((name, number) => [Register[name.toUpperCase() as keyof typeof Register], number]),
);

/** The general register that `register` is, or is a part of; undefined for any other. */
export function generalRegister(register: Register): number | undefined {
  return register === Register.None ? undefined : numbers.get(RegisterExt.fullRegister(register));
}
