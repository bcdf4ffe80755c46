import {
  Decoder,
  DecoderOptions,
  type Instruction,
  InstructionInfoFactory,
  Mnemonic,
  OpAccess,
  OpKind,
  Register,
  RegisterExt,
} from 'iced-x86';

/** What an instruction does with the registers Go returns results in (ABIInternal: AX, BX, CX). */
export interface ResultUse {
  /** `test r, r`. */
  readonly tests: ResultRegister | undefined;
  /** `mov r, offset(%rsp)`: saved on the stack. */
  readonly saves: { readonly register: ResultRegister; readonly offset: number } | undefined;
  readonly writes: ReadonlySet<ResultRegister>;
}

export type ResultRegister = 'rax' | 'rbx' | 'rcx';

const names = new Map<Register, ResultRegister>([
  [Register.RAX, 'rax'],
  [Register.RBX, 'rbx'],
  [Register.RCX, 'rcx'],
]);

/** Looks at the one instruction in `bytes`. */
export function resultUse(bytes: Uint8Array): ResultUse {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  const instruction = decoder.decode();
  const factory = new InstructionInfoFactory();
  try {
    return { tests: testsOf(instruction), saves: savesOf(instruction), writes: writesOf(factory, instruction) };
  } finally {
    factory.free();
    instruction.free();
    decoder.free();
  }
}

function nameOf(register: Register): ResultRegister | undefined {
  return register === Register.None ? undefined : names.get(RegisterExt.fullRegister(register));
}

function testsOf(instruction: Instruction): ResultRegister | undefined {
  if (instruction.mnemonic !== Mnemonic.Test || instruction.op0Kind !== OpKind.Register) return undefined;
  return instruction.op1Kind === OpKind.Register && instruction.op0Register === instruction.op1Register
    ? nameOf(instruction.op0Register)
    : undefined;
}

function savesOf(instruction: Instruction): ResultUse['saves'] {
  if (instruction.mnemonic !== Mnemonic.Mov || instruction.op0Kind !== OpKind.Memory) return undefined;
  if (instruction.memoryBase !== Register.RSP || instruction.memoryIndex !== Register.None) return undefined;
  const register = instruction.op1Kind === OpKind.Register ? nameOf(instruction.op1Register) : undefined;
  if (register === undefined || RegisterExt.size(instruction.op1Register) !== 8) return undefined;
  return { register, offset: Number(instruction.memoryDisplacement) };
}

function writesOf(factory: InstructionInfoFactory, instruction: Instruction): Set<ResultRegister> {
  const info = factory.info(instruction);
  try {
    const written = info
      .usedRegisters()
      .filter(({ access }) => access !== OpAccess.Read && access !== OpAccess.CondRead)
      .map(({ register }) => nameOf(register));
    return new Set(written.filter((name) => name !== undefined));
  } finally {
    info.free();
  }
}
