import type { Machine } from '../../contract/binary.ts';
import { UspanError } from '../../contract/errors.ts';
import { u64, viewOf } from './bytes.ts';

/** What the ELF file header says, checked: 64-bit little endian, a machine that uspan plans for, tables inside the file. */
export interface ElfHeader {
  readonly machine: Machine;
  /** ET_DYN: loaded at an address that is chosen at run time (PIE executables and shared libraries). */
  readonly positionIndependent: boolean;
  readonly programTable: { readonly offset: number; readonly count: number };
  /** Undefined if the file has no section headers, or impossible ones. */
  readonly sectionTable: { readonly offset: number; readonly count: number; readonly namesIndex: number } | undefined;
}

export const programEntryBytes = 56;
export const sectionEntryBytes = 64;
const headerBytes = 64;
/** More than any linker writes. It bounds the work on a hostile file. */
const maxPrograms = 512;
const maxSections = 4096;

/** Reads the header (System V gABI, chapter 4). Throws E_ELF_FORMAT and E_ELF_UNSUPPORTED. */
export function readElfHeader(bytes: Uint8Array, path: string): ElfHeader {
  const fail = (message: string) => new UspanError('E_ELF_FORMAT', message, { on: path });
  const unsupported = (message: string) => new UspanError('E_ELF_UNSUPPORTED', message, { on: path });
  const view = viewOf(bytes);
  if (bytes.length < 4 || view.getUint32(0, false) !== 0x7f454c46) throw fail('not an ELF file: no magic number');
  if (bytes.length < headerBytes) throw fail(`truncated in the ELF header: ${bytes.length} of ${headerBytes} bytes`);
  if (bytes[4] !== 2) throw unsupported(`EI_CLASS ${bytes[4]}: only 64-bit files (2) are read`);
  if (bytes[5] !== 1) throw unsupported(`EI_DATA ${bytes[5]}: only little-endian files (1) are read`);
  const type = view.getUint16(16, true);
  if (type !== 2 && type !== 3) throw unsupported(`e_type ${type}: only ET_EXEC (2) and ET_DYN (3) are read`);
  const machine = view.getUint16(18, true);
  if (machine !== 62 && machine !== 183) {
    throw unsupported(`e_machine ${machine}: only x86-64 (62) and aarch64 (183) are read`);
  }

  const offset = u64(view, 32);
  const entryBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (entryBytes !== programEntryBytes) throw fail(`e_phentsize ${entryBytes} is not ${programEntryBytes}`);
  if (count === 0 || count > maxPrograms) throw fail(`e_phnum ${count} is not in 1..${maxPrograms}`);
  if (!(offset >= headerBytes && offset + count * programEntryBytes <= bytes.length)) {
    throw fail(`e_phoff ${offset}: ${count} program headers do not fit in ${bytes.length} bytes`);
  }
  return {
    machine: machine === 62 ? 'x64' : 'arm64',
    positionIndependent: type === 3,
    programTable: { offset, count },
    sectionTable: sectionTable(view),
  };
}

/** Section headers are hints, so an unusable table is not an error. The container notices one beyond the end of the file. */
function sectionTable(view: DataView): ElfHeader['sectionTable'] {
  const offset = u64(view, 40);
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (view.getUint16(58, true) !== sectionEntryBytes || count === 0 || count > maxSections) return undefined;
  if (namesIndex === 0 || namesIndex >= count || !(offset >= headerBytes)) return undefined;
  return { offset, count, namesIndex };
}
