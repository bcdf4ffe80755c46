import type { ElfImage } from './image.ts';

/** One ELF note. */
export interface ElfNote {
  /** Owner without its NULs: `GNU`, `Go`, `stapsdt`. */
  readonly name: string;
  readonly type: number;
  /** A view of the file. */
  readonly desc: Uint8Array;
}

const headerBytes = 12;
const maxNameBytes = 256;
const maxNotes = 65_536;

/**
 * Every note of the file. They come from its note sections, which also hold what is not loaded, such as USDT probes. A file without such
 * sections has them in its note segments. A note that does not fit ends its area. gABI chapter 5: names and descriptors are padded to the
 * area's alignment, 4 or 8 bytes.
 */
export function* elfNotes(image: ElfImage): Generator<ElfNote, void, undefined> {
  const sections = image.sections.filter((section) => section.type === 'note');
  const areas = sections.length
    ? sections.map(({ offset, sizeBytes, alignBytes }) => ({ offset, sizeBytes, alignBytes }))
    : image.segments
        .filter((segment) => segment.type === 'note' && segment.offset + segment.fileBytes <= image.bytes.length)
        .map(({ offset, fileBytes, alignBytes }) => ({ offset, sizeBytes: fileBytes, alignBytes }));
  let left = maxNotes;
  for (const { offset, sizeBytes, alignBytes } of areas) {
    const align = alignBytes === 8 ? 8 : 4;
    const end = offset + sizeBytes;
    let at = offset;
    while (at + headerBytes <= end && left-- > 0) {
      const nameBytes = image.view.getUint32(at, true);
      const descBytes = image.view.getUint32(at + 4, true);
      const desc = at + padded(headerBytes + nameBytes, align);
      if (nameBytes > maxNameBytes || desc + descBytes > end) break;
      yield {
        // Go also counts its padding: "Go\0\0".
        name: image.buffer.toString('latin1', at + headerBytes, at + headerBytes + nameBytes).replace(/\0+$/, ''),
        type: image.view.getUint32(at + 8, true),
        desc: image.bytes.subarray(desc, desc + descBytes),
      };
      at = desc + padded(descBytes, align);
    }
  }
}

function padded(sizeBytes: number, align: number): number {
  return Math.ceil(sizeBytes / align) * align;
}
