import type { Machine } from '../../contract/binary.ts';
import { bufferOf, viewOf } from './bytes.ts';
import { readContainer, type Section, type Segment } from './container.ts';
import { readElfHeader } from './header.ts';

/** An ELF file as the loader would lay it out: link-time addresses over the bytes of the file, without copying them. */
export interface ElfImage {
  /** For error messages. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** The same memory. */
  readonly view: DataView;
  /** The same memory. */
  readonly buffer: Buffer;
  readonly machine: Machine;
  /** ET_DYN. */
  readonly positionIndependent: boolean;
  readonly segments: readonly Segment[];
  /** Segments of type `load`, as in the file (ascending address in a sound file). */
  readonly loads: readonly Segment[];
  /** Hints. Empty for a file without section headers. */
  readonly sections: readonly Section[];
  /** File offset of the `sizeBytes` bytes at a link-time address, or -1 if they are not all file-backed in one segment. */
  offsetOf(address: number, sizeBytes: number): number;
  /** First section of that name. */
  section(name: string): Section | undefined;
}

/** Reads headers only. Throws E_ELF_FORMAT and E_ELF_UNSUPPORTED. */
export function openElfImage(bytes: Uint8Array, path: string): ElfImage {
  const header = readElfHeader(bytes, path);
  const container = readContainer(bytes, header, path);
  const loads = container.segments.filter((segment) => segment.type === 'load');
  return {
    path,
    bytes,
    view: viewOf(bytes),
    buffer: bufferOf(bytes),
    machine: header.machine,
    positionIndependent: header.positionIndependent,
    segments: container.segments,
    loads,
    sections: container.sections,
    offsetOf(address, sizeBytes) {
      for (const load of loads) {
        const into = address - load.address;
        if (into >= 0 && into + sizeBytes <= load.fileBytes) return load.offset + into;
      }
      return -1;
    },
    section: (name) => container.sections.find((section) => section.name === name),
  };
}
