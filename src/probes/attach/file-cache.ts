import type { Inspection } from './inspection.ts';

/** What is known of a file: that no definition is for it, or its decisions. */
export type KnownFile =
  | { readonly nothing: true; readonly loadsLibraries: boolean }
  | { readonly nothing: false; readonly inspection: Inspection };

const nothing = {
  static: { nothing: true, loadsLibraries: false },
  dynamic: { nothing: true, loadsLibraries: true },
} as const;

export interface FileCacheLimits {
  /** Files without decisions. */
  readonly maxNothing: number;
  /** Files with decisions, each of some kilobytes. */
  readonly maxDecided: number;
}

const defaultLimits: FileCacheLimits = { maxNothing: 4096, maxDecided: 512 };

/**
 * What was found in a file, by its identity, for as long as there is room. It outlasts the last process of the file, because most programs
 * start again. An identity names the content: device, inode, size and both times of change. The least recently used entry goes first.
 */
export class FileCache {
  readonly #limits: FileCacheLimits;
  readonly #nothing = new Map<string, KnownFile>();
  readonly #decided = new Map<string, KnownFile>();

  constructor(limits: FileCacheLimits = defaultLimits) {
    this.#limits = limits;
  }

  get(identity: string): KnownFile | undefined {
    return touch(this.#nothing, identity) ?? touch(this.#decided, identity);
  }

  put(identity: string, inspection: Inspection): KnownFile {
    const { error, decisions, loadsLibraries } = inspection;
    if (!error && decisions.length === 0) {
      const known = loadsLibraries ? nothing.dynamic : nothing.static;
      keep(this.#nothing, identity, known, this.#limits.maxNothing);
      return known;
    }
    const known: KnownFile = { nothing: false, inspection };
    // A file that changed during the reading, or could not be opened, may be readable another time.
    if (error?.code !== 'E_FILE_CHANGED') keep(this.#decided, identity, known, this.#limits.maxDecided);
    return known;
  }
}

/** A Map iterates in the order of insertion, so the first is the least recently used. */
function touch(map: Map<string, KnownFile>, key: string): KnownFile | undefined {
  const known = map.get(key);
  if (!known) return undefined;
  map.delete(key);
  map.set(key, known);
  return known;
}

function keep(map: Map<string, KnownFile>, key: string, known: KnownFile, max: number): void {
  map.delete(key);
  map.set(key, known);
  for (const oldest of map.keys()) {
    if (map.size <= max) break;
    map.delete(oldest);
  }
}
