import type { Isa } from './isa.ts';

/** Arm A-profile manual, C6.2, NOP. */
const nop = [0x1f, 0x20, 0x03, 0xd5];

/**
 * AArch64. uspan can only list its USDT sites. There are no rules yet for sites in functions, because the kernel emulates other
 * instructions there (arch/arm64/kernel/probes/decode-insn.c), and Go's prologues have hardly any of them.
 */
export const arm64: Isa = {
  machine: 'arm64',
  hasSiteRules: false,
  registers: [...Array.from({ length: 31 }, (_, number) => `x${number}`), 'sp'],
  goRegisters: Array.from({ length: 16 }, (_, number) => number),
  cArguments: Array.from({ length: 8 }, (_, number) => number),
  cResult: 0,
  maxInstructionBytes: 4,
  decode: () => [],
  *effects() {},
  text: () => '?',
  noteSite(code) {
    const isNop = nop.every((byte, at) => code[at] === byte);
    return { class: isNop ? 'nop' : 'stepped', text: isNop ? 'nop' : '?', overwritesRedZone: false };
  },
};
