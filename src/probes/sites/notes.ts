import type { Binary, UsdtNote } from '../../contract/binary.ts';
import type { SiteClass } from '../../contract/decision.ts';
import { type Decoded, decode, disassemble } from './x64.ts';

/** What is at a note's address. `nop` is what sdt.h puts there. */
export type NoteInstruction =
  | { readonly usable: true; readonly class: SiteClass; readonly instruction: string }
  | { readonly usable: false; readonly instruction: string; readonly why: string };

const maxInstructionBytes = 15;
/** AArch64's nop. */
const arm64Nop = [0x1f, 0x20, 0x03, 0xd5];

/**
 * Looks at the instruction of a USDT site. The site is the note's own address, and never a 5-byte nop: from Linux 6.18 on the kernel
 * makes that a call, which pushes a return address over what the function keeps in the red zone below its stack pointer.
 */
export function noteInstruction(binary: Binary, note: UsdtNote): NoteInstruction {
  const { address, fileOffset } = note;
  const code = binary.code({ name: note.name, address, fileOffset, sizeBytes: 0 }, maxInstructionBytes);
  if (binary.machine === 'arm64') {
    const isNop = arm64Nop.every((byte, at) => code[at] === byte);
    return { usable: true, class: isNop ? 'nop' : 'stepped', instruction: isNop ? 'nop' : '?' };
  }
  const decoded: Decoded | undefined = decode(code, address).next().value ?? undefined;
  if (!decoded) return { usable: false, instruction: '?', why: 'there is no instruction' };
  const instruction = decoded.class === 'nop' ? 'nop' : disassemble(code, address, address, () => undefined);
  if (decoded.class === 'refused') return { usable: false, instruction, why: 'the kernel takes no probe there' };
  if (decoded.length === 5 && instruction.startsWith('nop')) {
    return { usable: false, instruction, why: 'a probe on a 5-byte nop can overwrite the red zone of the stack' };
  }
  return { usable: true, class: decoded.class, instruction };
}
