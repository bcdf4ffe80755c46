import elfy from 'elfy';
import { UspanError } from '../../contract/errors.ts';
import { bufferOf, u64, viewOf } from './bytes.ts';
import { type ElfHeader, programEntryBytes, sectionEntryBytes } from './header.ts';

/** A program header. The ranges of `load` segments have been checked against the file. */
export interface Segment {
  readonly type: 'load' | 'dynamic' | 'note' | 'interp' | 'other';
  readonly writable: boolean;
  readonly executable: boolean;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly alignBytes: number;
}

/** A section whose bytes lie in the file. */
export interface Section {
  readonly name: string;
  /** elfy's name of sh_type: `progbits`, `symtab`, `dynsym`, `strtab`, `note`, … or the number. */
  readonly type: string | number;
  readonly address: number;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Index into the section table. For a symbol table, it is the string table. */
  readonly link: number;
  /** Position in the section table, which `link` counts. */
  readonly index: number;
  readonly alignBytes: number;
}

export interface Container {
  readonly segments: readonly Segment[];
  /** Empty when the file has no usable section headers. */
  readonly sections: readonly Section[];
}

const maxLoads = 32;
const maxNameBytes = 256;
const maxNameTableBytes = 16 * 1024 * 1024;

/**
 * Program and section headers of a checked header. elfy reads the container if the section table is sound. It cannot read a file without
 * one, accepts section names of any length, and does not notice truncation, so it does not get such files. Throws E_ELF_FORMAT for a
 * truncated file and for impossible load segments.
 */
export function readContainer(bytes: Uint8Array, header: ElfHeader, path: string): Container {
  const table = header.sectionTable;
  if (table && table.offset + table.count * sectionEntryBytes > bytes.length) {
    const end = table.offset + table.count * sectionEntryBytes;
    throw new UspanError('E_ELF_FORMAT', `truncated: section headers end at ${end}, the file at ${bytes.length}`, {
      on: path,
    });
  }
  const container =
    table && sectionNamesAreSound(bytes, table)
      ? readWithElfy(bytes, table.offset)
      : { segments: readSegments(bytes, header.programTable), sections: [] };
  checkLoads(container.segments, bytes.length, path);
  return container;
}

function readWithElfy(bytes: Uint8Array, sectionTableOffset: number): Container {
  const { programs, sections } = elfy.parse(bufferOf(bytes)).body;
  const view = viewOf(bytes);
  return {
    segments: programs.map((program) => ({
      type: segmentType(program.type),
      writable: program.flags.w === true,
      executable: program.flags.x === true,
      offset: program.offset,
      address: program.vaddr,
      fileBytes: program.filesz,
      memoryBytes: program.memsz,
      alignBytes: program.align,
    })),
    sections: sections
      .map((section, index) => ({
        name: section.name,
        type: section.type,
        address: section.addr,
        offset: section.off,
        sizeBytes: section.size,
        link: section.link,
        index,
        alignBytes: u64(view, sectionTableOffset + index * sectionEntryBytes + 48),
      }))
      .filter((section) => section.type !== 'nobits' && section.offset + section.sizeBytes <= bytes.length),
  };
}

/** Program headers of a file that elfy cannot read. */
function readSegments(bytes: Uint8Array, table: ElfHeader['programTable']): Segment[] {
  const view = viewOf(bytes);
  const names: Record<number, string> = { 1: 'load', 2: 'dynamic', 3: 'interp', 4: 'note' };
  return Array.from({ length: table.count }, (_, index) => {
    const at = table.offset + index * programEntryBytes;
    const flags = view.getUint32(at + 4, true);
    return {
      type: segmentType(names[view.getUint32(at, true)]),
      writable: (flags & 2) !== 0,
      executable: (flags & 1) !== 0,
      offset: u64(view, at + 8),
      address: u64(view, at + 16),
      fileBytes: u64(view, at + 32),
      memoryBytes: u64(view, at + 40),
      alignBytes: u64(view, at + 48),
    };
  });
}

function segmentType(name: string | undefined): Segment['type'] {
  return name === 'load' || name === 'dynamic' || name === 'note' || name === 'interp' ? name : 'other';
}

/** elfy decodes every name up to its NUL. A sound table has its string table in the file, and a NUL near every name. */
function sectionNamesAreSound(bytes: Uint8Array, table: NonNullable<ElfHeader['sectionTable']>): boolean {
  const view = viewOf(bytes);
  const names = table.offset + table.namesIndex * sectionEntryBytes;
  const namesOffset = u64(view, names + 24);
  const namesBytes = u64(view, names + 32);
  if (view.getUint32(names + 4, true) !== 3 || !(namesBytes <= maxNameTableBytes)) return false;
  if (!(namesOffset + namesBytes <= bytes.length)) return false;
  const text = bytes.subarray(namesOffset, namesOffset + namesBytes);
  for (let index = 0; index < table.count; index++) {
    const at = view.getUint32(table.offset + index * sectionEntryBytes, true);
    if (at >= namesBytes || !text.subarray(at, at + maxNameBytes).includes(0)) return false;
  }
  return true;
}

function checkLoads(segments: readonly Segment[], fileBytes: number, path: string): void {
  const fail = (message: string) => new UspanError('E_ELF_FORMAT', message, { on: path });
  let loads = 0;
  for (const [index, segment] of segments.entries()) {
    if (segment.type !== 'load') continue;
    const { offset, address, fileBytes: size, memoryBytes } = segment;
    const what = `PT_LOAD ${index}: p_offset ${offset}, p_vaddr ${address}, p_filesz ${size}, p_memsz ${memoryBytes}`;
    if (++loads > maxLoads) throw fail(`more than ${maxLoads} PT_LOAD segments`);
    if (!(address + memoryBytes <= Number.MAX_SAFE_INTEGER && size <= memoryBytes)) throw fail(`${what} is impossible`);
    if (!(offset + size <= fileBytes)) throw fail(`truncated: ${what} does not fit in ${fileBytes} bytes`);
  }
  if (loads === 0) throw fail('no PT_LOAD segment: nothing of this file is ever executed');
}
