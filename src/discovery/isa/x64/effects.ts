import type { Code, Instruction, InstructionInfoFactory } from 'iced-x86';
import type { Effects } from '../isa.ts';
import { type Iced, iced } from './iced.ts';
import { generalRegister } from './registers.ts';

/** See Isa.effects. */
export function* effects(code: Uint8Array): Generator<Effects, void> {
  const { Decoder, DecoderOptions, Instruction, InstructionInfoFactory } = iced();
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const factory = new InstructionInfoFactory();
  const instruction = new Instruction();
  try {
    while (decoder.canDecode) {
      decoder.decodeOut(instruction);
      if (instruction.isInvalid) return;
      yield {
        writes: writesOf(factory, instruction),
        tests: testsOf(instruction),
        saves: savesOf(instruction),
        reads: readsOf(instruction),
        sets: setsOf(instruction),
        negates: negatesOf(instruction),
      };
    }
  } finally {
    instruction.free();
    factory.free();
    decoder.free();
  }
}

function writesOf(factory: InstructionInfoFactory, instruction: Instruction): number {
  const { OpAccess } = iced();
  const info = factory.info(instruction);
  let writes = 0;
  try {
    for (const { register, access } of info.usedRegisters()) {
      if (access === OpAccess.Read || access === OpAccess.CondRead) continue;
      const number = generalRegister(register);
      if (number !== undefined) writes |= 1 << number;
    }
    return writes;
  } finally {
    info.free();
  }
}

/** `test r, r`. */
function testsOf(instruction: Instruction): number | undefined {
  const { Mnemonic, OpKind } = iced();
  if (instruction.mnemonic !== Mnemonic.Test || instruction.op0Kind !== OpKind.Register) return undefined;
  return instruction.op1Kind === OpKind.Register && instruction.op0Register === instruction.op1Register
    ? generalRegister(instruction.op0Register)
    : undefined;
}

/** `mov r, offset(%rsp)`. */
function savesOf(instruction: Instruction): Effects['saves'] {
  const { Code, OpKind, Register } = iced();
  if (instruction.code !== Code.Mov_rm64_r64 || instruction.op0Kind !== OpKind.Memory) return undefined;
  if (instruction.memoryBase !== Register.RSP || instruction.memoryIndex !== Register.None) return undefined;
  const register = generalRegister(instruction.op1Register);
  return register === undefined ? undefined : { register, offset: Number(instruction.memoryDisplacement) };
}

let readBytes: ReadonlyMap<Code, number> | undefined;

/** How accessors of C read a field, with its width in bytes. */
function readBytesOf({ Code }: Iced): ReadonlyMap<Code, number> {
  return new Map([
    [Code.Cmp_rm8_imm8, 1],
    [Code.Movzx_r32_rm8, 1],
    [Code.Mov_r8_rm8, 1],
    [Code.Mov_r32_rm32, 4],
    [Code.Mov_r64_rm64, 8],
  ]);
}

function readsOf(instruction: Instruction): Effects['reads'] {
  readBytes ??= readBytesOf(iced());
  const bytes = readBytes.get(instruction.code);
  if (bytes === undefined || instruction.memoryIndex !== iced().Register.None) return undefined;
  const base = generalRegister(instruction.memoryBase);
  return base === undefined ? undefined : { base, offset: Number(instruction.memoryDisplacement), bytes };
}

/** `mov $imm32, r32`. */
function setsOf(instruction: Instruction): Effects['sets'] {
  if (instruction.code !== iced().Code.Mov_r32_imm32) return undefined;
  const register = generalRegister(instruction.op0Register);
  return register === undefined ? undefined : { register, value: instruction.immediate32 };
}

/** `xor $1, r`. */
function negatesOf(instruction: Instruction): number | undefined {
  const { Mnemonic, OpKind } = iced();
  if (instruction.mnemonic !== Mnemonic.Xor || instruction.op0Kind !== OpKind.Register) return undefined;
  if (instruction.op1Kind === OpKind.Register || instruction.op1Kind === OpKind.Memory) return undefined;
  return Number(instruction.immediate(1)) === 1 ? generalRegister(instruction.op0Register) : undefined;
}
