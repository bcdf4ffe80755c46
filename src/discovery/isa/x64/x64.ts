import type { Isa, NoteSite } from '../isa.ts';
import { decode } from './decode.ts';
import { effects } from './effects.ts';
import { numberOf, registers } from './registers.ts';
import { disassemble, plainText } from './text.ts';

const nop = 0x90;
const maxInstructionBytes = 15;

/** x86-64, decoded by iced-x86. */
export const x64: Isa = {
  machine: 'x64',
  hasSiteRules: true,
  registers,
  goRegisters: ['rax', 'rbx', 'rcx', 'rdi', 'rsi', 'r8', 'r9', 'r10', 'r11'].map(numberOf),
  // System V ABI, x86-64 supplement, §3.2.3.
  cArguments: ['rdi', 'rsi', 'rdx', 'rcx', 'r8', 'r9'].map(numberOf),
  cResult: numberOf('rax'),
  maxInstructionBytes,
  decode,
  effects,
  text(instruction, code, surroundings) {
    return (
      plainText(instruction, code, surroundings) ??
      disassemble(code, instruction.address, instruction.address, surroundings.nameOf)
    );
  },
  noteSite(code, address): NoteSite | undefined {
    // Nearly every site is one of these. A disassembler takes 40 ms to set up.
    if (code[0] === nop) return { class: 'nop', text: 'nop', overwritesRedZone: false };
    const [instruction] = decode(code, address, 1);
    if (!instruction) return undefined;
    const text = disassemble(code, address, address, () => undefined);
    // From Linux 6.18 on, the kernel makes a 5-byte nop a call, which pushes a return address.
    const overwritesRedZone = instruction.length === 5 && text.startsWith('nop');
    return { class: instruction.class, text, overwritesRedZone };
  },
};
