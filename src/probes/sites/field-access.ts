import { Code, Decoder, DecoderOptions, Instruction, Register } from 'iced-x86';

/**
 * The offset in its first argument of the `bytes` wide field that a small C function reads first: how an accessor tells where a field
 * is, whatever the version. Undefined when it reads none.
 * @param code the function from its entry; System V ABI, so the argument is in %rdi
 */
export function firstFieldRead(code: Uint8Array, bytes: 1 | 4 | 8): number | undefined {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const instruction = new Instruction();
  try {
    while (decoder.canDecode) {
      decoder.decodeOut(instruction);
      if (instruction.isInvalid) return undefined;
      if (instruction.memoryBase !== Register.RDI || instruction.memoryIndex !== Register.None) continue;
      const offset = Number(instruction.memoryDisplacement);
      if (reads[bytes].has(instruction.code) && offset >= 0 && offset < 0x10000) return offset;
    }
    return undefined;
  } finally {
    instruction.free();
    decoder.free();
  }
}

const reads: Readonly<Record<1 | 4 | 8, ReadonlySet<Code>>> = {
  1: new Set([Code.Cmp_rm8_imm8, Code.Movzx_r32_rm8, Code.Mov_r8_rm8]),
  4: new Set([Code.Mov_r32_rm32]),
  8: new Set([Code.Mov_r64_rm64]),
};
