import { u64, viewOf } from './bytes.ts';
import type { DynamicTable } from './dynamic.ts';
import type { ElfImage } from './image.ts';

/**
 * Relative relocations of an ET_DYN file, applied for a load address of 0: word at r_offset = r_addend. Go's own linker, GNU ld and gold
 * also leave the addend in the file. lld leaves zeros. DT_RELR needs nothing, because its addends are in place by definition.
 */
export interface RelativeRelocations {
  /** Entries of DT_RELA, of any type, that must be applied. 0 for a linker that leaves the addends in place. */
  readonly count: number;
  /** Addresses of the words that an applied entry sets to `value`, at most `max`. */
  wordsHolding(value: number, max: number): number[];
  /** Writes the relocated words of [address, address + view.byteLength) over `view`, a private copy of that range. */
  apply(view: DataView, address: number): void;
}

const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_RELAENT = 9;
const entryBytes = 24;
const samples = 256;
/** R_X86_64_RELATIVE and R_AARCH64_RELATIVE. */
const relativeType = { x64: 8, arm64: 1027 } as const;

export function relativeRelocations(image: ElfImage, { tags }: DynamicTable): RelativeRelocations {
  const sizeBytes = tags.get(DT_RELASZ) ?? 0;
  const table = image.offsetOf(tags.get(DT_RELA) ?? Number.NaN, sizeBytes);
  const usable = image.positionIndependent && table >= 0 && (tags.get(DT_RELAENT) ?? entryBytes) === entryBytes;
  const total = usable ? Math.floor(sizeBytes / entryBytes) : 0;
  const type = relativeType[image.machine];
  const { view } = image;
  const isRelative = (at: number) => view.getUint32(at + 8, true) === type && view.getUint32(at + 12, true) === 0;
  const inPlace = (at: number) => {
    const word = image.offsetOf(u64(view, at), 8);
    return !isRelative(at) || (word >= 0 && u64(view, word) === u64(view, at + 16));
  };
  // A linker does it one way or the other. So a sample of entries from the whole table is enough, without a pass over up to millions.
  const stride = Math.max(1, Math.floor(total / samples));
  let count = 0;
  for (let index = 0; index < total && count === 0; index += stride) {
    if (!inPlace(table + index * entryBytes)) count = total;
  }
  return {
    count,
    wordsHolding(value, max) {
      const low = value % 0x1_0000_0000;
      const found: number[] = [];
      for (let at = table, end = table + count * entryBytes; at < end && found.length < max; at += entryBytes) {
        if (view.getUint32(at + 16, true) !== low) continue;
        if (u64(view, at + 16) === value && isRelative(at)) found.push(u64(view, at));
      }
      return found;
    },
    apply(copy, address) {
      const last = copy.byteLength - 8;
      for (let at = table, end = table + count * entryBytes; at < end; at += entryBytes) {
        const into = u64(view, at) - address;
        if (!(into >= 0 && into <= last) || !isRelative(at)) continue;
        copy.setUint32(into, view.getUint32(at + 16, true), true);
        copy.setUint32(into + 4, view.getUint32(at + 20, true), true);
      }
    },
  };
}

/**
 * The bytes at a link-time address with relocations applied: a view of the file if there are none, otherwise a copy. Undefined if not
 * file-backed.
 */
export function relocatedView(
  image: ElfImage,
  relocations: RelativeRelocations,
  address: number,
  sizeBytes: number,
): DataView | undefined {
  const offset = image.offsetOf(address, sizeBytes);
  if (offset < 0) return undefined;
  const bytes = image.bytes.subarray(offset, offset + sizeBytes);
  if (relocations.count === 0) return viewOf(bytes);
  const copy = viewOf(new Uint8Array(bytes));
  relocations.apply(copy, address);
  return copy;
}
