import { UspanError } from '../../contract/errors.ts';
import { u64, viewOf } from '../elf/bytes.ts';
import type { ElfImage } from '../elf/image.ts';
import { type RelativeRelocations, relocatedView } from '../elf/relocations.ts';
import type { AddressRange } from './moduledata.ts';

/** `internal/abi.Name`: a flag byte, the length as a varint, UTF-8 bytes. */
export interface GoName {
  readonly flags: number;
  /** The text: offsets into `TypeMemory.bytes`. */
  readonly start: number;
  readonly end: number;
}

/**
 * [types, etypes) with relocations applied, addressed by offset from `types`, as the runtime's NameOff and TypeOff are. Offsets that are
 * NaN or outside read as NaN, and their names are undefined.
 */
export interface TypeMemory {
  readonly start: number;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The u64 at an offset. */
  word(offset: number): number;
  /** The pointer at an offset, as an offset from `types`. NaN if it points elsewhere. */
  pointer(offset: number): number;
  name(offset: number): GoName | undefined;
  text(name: Pick<GoName, 'start' | 'end'>): string;
}

const maxNameBytes = 4096;
/** nameFlag bits: exported, tag follows, package path follows, embedded. */
const knownNameFlags = 15;

/** Throws E_GO_TYPES if the region is not in the file. In a PIE it is a copy (a few MB) with relocations applied. */
export function typeMemory(image: ElfImage, relocations: RelativeRelocations, types: AddressRange): TypeMemory {
  const { start, end } = types;
  const sizeBytes = end - start;
  const view = relocatedView(image, relocations, start, sizeBytes);
  if (!view) throw new UspanError('E_GO_TYPES', `types ${start}..${end} are not in the file`, { on: image.path });
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const text = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  return {
    start,
    sizeBytes,
    bytes,
    view: viewOf(bytes),
    word: (offset) => (offset >= 0 && offset + 8 <= sizeBytes ? u64(view, offset) : Number.NaN),
    pointer(offset) {
      if (!(offset >= 0 && offset + 8 <= sizeBytes)) return Number.NaN;
      const target = u64(view, offset) - start;
      return target >= 0 && target < sizeBytes ? target : Number.NaN;
    },
    name(offset) {
      // Offset 0 means no name (resolveNameOff).
      if (!(offset > 0 && offset + 2 <= sizeBytes)) return undefined;
      const flags = bytes[offset]!;
      if (flags > knownNameFlags) return undefined;
      let length = bytes[offset + 1]!;
      let from = offset + 2;
      if (length >= 0x80) {
        const second = bytes[from++];
        if (second === undefined || second >= 0x80) return undefined;
        length = (length & 0x7f) | (second << 7);
      }
      return length <= maxNameBytes && from + length <= sizeBytes
        ? { flags, start: from, end: from + length }
        : undefined;
    },
    text: (name) => text.toString('utf8', name.start, name.end),
  };
}
