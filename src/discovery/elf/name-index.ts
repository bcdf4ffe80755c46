/**
 * Exact-name lookup over NUL-terminated names in a byte range, without making a string of each: a table of hashes (FNV-1a, 32 bits) of
 * every name, built in one pass, and byte comparison on a hit. Names may share their tails, as linkers write them.
 */
export interface NameIndex {
  /** Positions in `offsets` of the names equal to `name`, ascending; at most 64. */
  find(name: string): number[];
}

/** Longer names are left out: nothing is ever looked up by such a name. */
export const maxNameBytes = 4096;
/** Bound on the bytes hashed in all: far beyond any real table, small enough for one whose entries all name the same long text. */
const maxHashedBytes = 256 * 1024 * 1024;
const maxFound = 64;
/** Marks an entry of `offsets` to leave out. */
export const noName = 0xffffffff;

/**
 * Buckets with chains, so that names made to collide cost a longer search, never a longer build.
 * @param names the string table
 * @param offsets where each name begins in `names`, or `noName`
 */
export function indexNames(names: Buffer, offsets: Uint32Array): NameIndex {
  const heads = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(8, offsets.length)))).fill(-1);
  const next = new Int32Array(offsets.length);
  const hashes = new Int32Array(offsets.length);
  const mask = heads.length - 1;
  let budget = maxHashedBytes;
  // From the end, so that chains run in ascending order.
  for (let index = offsets.length - 1; index >= 0 && budget > 0; index--) {
    const start = offsets[index]!;
    if (start >= names.length) continue;
    const end = Math.min(names.length, start + maxNameBytes);
    let hash = basis;
    let at = start;
    for (; at < end; at++) {
      const byte = names[at]!;
      if (byte === 0) break;
      hash = Math.imul(hash ^ byte, prime);
    }
    budget -= at - start + 1;
    if (at === end) continue;
    hashes[index] = hash;
    const bucket = spread(hash) & mask;
    next[index] = heads[bucket]!;
    heads[bucket] = index;
  }

  return {
    find(name) {
      const wanted = Buffer.from(name, 'utf8');
      let hash = basis;
      for (const byte of wanted) hash = Math.imul(hash ^ byte, prime);
      const found: number[] = [];
      for (let index = heads[spread(hash) & mask]!; index !== -1 && found.length < maxFound; index = next[index]!) {
        if (hashes[index] !== hash) continue;
        const at = offsets[index]!;
        if (names[at + wanted.length] === 0 && wanted.equals(names.subarray(at, at + wanted.length))) found.push(index);
      }
      return found;
    },
  };
}

const basis = 0x811c9dc5 | 0;
const prime = 0x01000193;

/** FNV's low bits are its weakest. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}
