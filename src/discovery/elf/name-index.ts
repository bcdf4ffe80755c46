/**
 * Exact-name lookup over NUL-terminated names in a byte range, without a string for each name. At first it searches the bytes. Later it
 * uses a table of hashes (FNV-1a, 32 bits) of every name, built in one pass. Names may share their tails, as linkers write them.
 */
export interface NameIndex {
  /** Positions in `offsets` of the names equal to `name`, ascending; at most 64. */
  find(name: string): number[];
}

/** Longer names are left out, because nothing looks them up. */
export const maxNameBytes = 4096;
/**
 * Bound on all bytes that are hashed. It is far beyond any real table, and small enough for a table whose entries all name the same long
 * text.
 */
const maxHashedBytes = 256 * 1024 * 1024;
const maxFound = 64;
const maxMatches = 16;
/**
 * Until this many bytes have been searched, a native search for one name is cheaper than hashing all names, which begins in the
 * interpreter.
 */
const maxSearchedBytes = 32 * 1024 * 1024;
/** Marks an entry of `offsets` that is left out. */
export const noName = 0xffffffff;

/**
 * Buckets with chains. Names that are made to collide cost a longer search, never a longer build.
 * @param names the string table
 * @param offsets where each name begins in `names`, or `noName`
 */
export function indexNames(names: Buffer, offsets: Uint32Array): NameIndex {
  let searchedBytes = 0;
  let buckets: Buckets | undefined;
  return {
    find(name) {
      const text = Buffer.from(name, 'utf8');
      searchedBytes += names.length;
      const found = searchedBytes <= maxSearchedBytes ? search(names, offsets, text) : undefined;
      if (found) return found;
      buckets ??= hashNames(names, offsets);
      return lookUp(buckets, names, offsets, text);
    },
  };
}

/** By native search. Undefined if the text occurs too often. */
function search(names: Buffer, offsets: Uint32Array, name: Buffer): number[] | undefined {
  const pattern = Buffer.concat([name, Buffer.alloc(1)]);
  const found: number[] = [];
  let matches = 0;
  for (let at = names.indexOf(pattern); at >= 0; at = names.indexOf(pattern, at + 1)) {
    if (++matches > maxMatches) return undefined;
    for (let index = offsets.indexOf(at); index >= 0; index = offsets.indexOf(at, index + 1)) {
      if (found.push(index) === maxFound) break;
    }
  }
  return found.sort((a, b) => a - b).slice(0, maxFound);
}

/** Bound on the occurrences of a text that are looked at. */
const maxContaining = 256;

/** Positions in `offsets` of names that contain `part`, by native search. It does not find a name that is the tail of another one. */
export function* namesContaining(names: Buffer, offsets: Uint32Array, part: string): Generator<number> {
  const text = Buffer.from(part, 'utf8');
  let seen = 0;
  for (let at = names.indexOf(text); at >= 0 && seen < maxContaining; at = names.indexOf(text, at + 1), seen++) {
    const start = names.lastIndexOf(0, at) + 1;
    for (let index = offsets.indexOf(start); index >= 0; index = offsets.indexOf(start, index + 1)) yield index;
  }
}

function lookUp({ heads, next, hashes }: Buckets, names: Buffer, offsets: Uint32Array, name: Buffer): number[] {
  let hash = basis;
  for (const byte of name) hash = Math.imul(hash ^ byte, prime);
  const found: number[] = [];
  let index = heads[spread(hash) & (heads.length - 1)]!;
  for (; index !== -1 && found.length < maxFound; index = next[index]!) {
    if (hashes[index] !== hash) continue;
    const at = offsets[index]!;
    if (names[at + name.length] === 0 && name.equals(names.subarray(at, at + name.length))) found.push(index);
  }
  return found;
}

interface Buckets {
  /** First entry of each bucket, or -1. */
  readonly heads: Int32Array;
  /** The entry after each in its bucket, or -1. */
  readonly next: Int32Array;
  readonly hashes: Int32Array;
}

/** A function of its own without closures, because it does most of its work before the optimising compiler is ready. */
function hashNames(names: Uint8Array, offsets: Uint32Array): Buckets {
  const heads = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(8, offsets.length)))).fill(-1);
  const next = new Int32Array(offsets.length).fill(-1);
  const hashes = new Int32Array(offsets.length);
  const mask = heads.length - 1;
  let budget = maxHashedBytes;
  // From the end, so that chains are in ascending order.
  for (let index = offsets.length - 1; index >= 0 && budget > 0; index--) {
    const start = offsets[index]!;
    const end = Math.min(names.length, start + maxNameBytes);
    let hash = basis;
    let at = start;
    while (at < end) {
      const byte = names[at]!;
      if (byte === 0) break;
      hash = Math.imul(hash ^ byte, prime);
      at++;
    }
    budget -= at - start + 1;
    if (at >= end) continue;
    hashes[index] = hash;
    const bucket = spread(hash) & mask;
    next[index] = heads[bucket]!;
    heads[bucket] = index;
  }
  return { heads, next, hashes };
}

const basis = 0x811c9dc5 | 0;
const prime = 0x01000193;

/** FNV's low bits are its weakest. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}
