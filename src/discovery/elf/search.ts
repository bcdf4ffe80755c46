import type { Segment } from './container.ts';
import type { ElfImage } from './image.ts';

export interface SearchOptions {
  readonly where: (load: Segment) => boolean;
  readonly alignBytes: number;
  /** Bound on the matches that are looked at, aligned or not. */
  readonly maxMatches: number;
}

/** Link-time addresses of a byte pattern in the file-backed load segments: aligned, and ascending within a segment. */
export function* searchLoads(
  image: ElfImage,
  pattern: Buffer,
  options: SearchOptions,
): Generator<number, void, undefined> {
  // Overlapping segments multiply the work. A sound file needs its own size once.
  let bytesLeft = 2 * image.bytes.length;
  let matchesLeft = options.maxMatches;
  for (const load of image.loads) {
    bytesLeft -= load.fileBytes;
    if (!options.where(load)) continue;
    if (bytesLeft < 0) return;
    const bytes = image.buffer.subarray(load.offset, load.offset + load.fileBytes);
    for (let at = bytes.indexOf(pattern); at >= 0 && matchesLeft-- > 0; at = bytes.indexOf(pattern, at + 1)) {
      if ((load.address + at) % options.alignBytes === 0) yield load.address + at;
    }
  }
}
