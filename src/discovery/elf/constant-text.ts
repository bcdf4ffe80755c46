import { cString } from './bytes.ts';
import type { ElfImage } from './image.ts';

const maxTextBytes = 256;

/** The first text of at most 256 bytes in `.rodata` that begins with `start`. A file without section headers has none. */
export function findConstantText(image: ElfImage, start: string): string | undefined {
  const section = image.section('.rodata');
  if (!section) return undefined;
  const constants = image.buffer.subarray(section.offset, section.offset + section.sizeBytes);
  const at = constants.indexOf(start);
  return cString(constants, at, maxTextBytes);
}
