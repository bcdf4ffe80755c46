import { cString, u64 } from './bytes.ts';
import type { ElfImage } from './image.ts';

/** First value of each tag in PT_DYNAMIC, and the libraries that the file needs. */
export interface DynamicTable {
  readonly tags: ReadonlyMap<number, number>;
  /** DT_NEEDED names. */
  readonly needed: readonly string[];
}

const DT_NEEDED = 1;
const DT_STRTAB = 5;
const entryBytes = 16;
const maxEntries = 4096;

/** Reads PT_DYNAMIC. A static file gives none. Values of 2^53 or more are left out. */
export function readDynamic(image: ElfImage): DynamicTable {
  const tags = new Map<number, number>();
  const neededOffsets: number[] = [];
  const segment = image.segments.find((each) => each.type === 'dynamic');
  if (segment && segment.offset + segment.fileBytes <= image.bytes.length) {
    const count = Math.min(maxEntries, Math.floor(segment.fileBytes / entryBytes));
    for (let index = 0; index < count; index++) {
      const tag = u64(image.view, segment.offset + index * entryBytes);
      const value = u64(image.view, segment.offset + index * entryBytes + 8);
      if (tag === 0) break;
      if (Number.isNaN(tag) || Number.isNaN(value)) continue;
      if (tag === DT_NEEDED) neededOffsets.push(value);
      else if (!tags.has(tag)) tags.set(tag, value);
    }
  }
  const strings = image.offsetOf(tags.get(DT_STRTAB) ?? Number.NaN, 1);
  const needed = strings < 0 ? [] : neededOffsets.map((offset) => cString(image.buffer, strings + offset, 4096) ?? '');
  return { tags, needed: needed.filter((name) => name !== '') };
}
