import type { Seed } from './corpus.ts';
import type { Random } from './random.ts';

export interface Mutant {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** Values that break arithmetic: ends of ranges, powers of two, negative numbers, the file's own size. */
function edgeValues(fileBytes: number): bigint[] {
  const size = BigInt(fileBytes);
  const powers = [
    0n,
    1n,
    7n,
    8n,
    24n,
    0x7fn,
    0xffn,
    0x7fffn,
    0xffffn,
    0x7fff_ffffn,
    0xffff_ffffn,
    1n << 32n,
    1n << 47n,
  ];
  return [
    ...powers,
    (1n << 53n) - 1n,
    1n << 53n,
    (1n << 63n) - 1n,
    1n << 63n,
    (1n << 64n) - 1n,
    size - 1n,
    size,
    size + 1n,
  ];
}

/** Sets every field of the file, program and section headers (two bytes wide in the first only) to every edge value, one at a time. */
export function* sweepHeaders(seed: Seed): Generator<Mutant, void, undefined> {
  const tables = seed.regions.filter(({ name }) => name === 'headers' || name === 'section headers');
  for (const { name, offset, sizeBytes } of tables) {
    for (let at = 0; at < sizeBytes; at += 2) {
      for (const width of [2, 4, 8]) {
        if (at % width !== 0 || at + width > sizeBytes || (width === 2 && offset + at >= 64)) continue;
        for (const value of edgeValues(seed.bytes.length)) {
          if (width < 8 && value >= 1n << BigInt(width * 8)) continue;
          const bytes = copy(seed.bytes);
          write(bytes, offset + at, width, value);
          yield { what: `${name}+${at} (${width} bytes) = ${value}`, bytes };
        }
      }
    }
  }
}

/** The file cut after each of its regions' starts and ends, and at powers of two. */
export function* truncations(seed: Seed): Generator<Mutant, void, undefined> {
  const lengths = new Set([0, 1, 3, 4, 15, 16, 63]);
  for (const { offset, sizeBytes } of seed.regions) {
    for (const length of [offset, offset + 1, offset + sizeBytes - 1, offset + sizeBytes]) lengths.add(length);
  }
  for (let length = 64; length < seed.bytes.length; length *= 2) lengths.add(length);
  for (const length of lengths) yield { what: `cut to ${length} bytes`, bytes: copy(seed.bytes.subarray(0, length)) };
}

/** One to eight random changes in the regions that are read. */
export function randomMutant(seed: Seed, random: Random): Mutant {
  const bytes = copy(seed.bytes);
  const what: string[] = [];
  const changes = 1 + random.below(8);
  for (let change = 0; change < changes; change++) {
    const region = random.pick(seed.regions);
    const width = random.pick([1, 2, 4, 8]);
    const align = Math.min(width, 8);
    const into = Math.floor(random.below(Math.max(1, region.sizeBytes - width)) / align) * align;
    const at = region.offset + into;
    if (at + width > bytes.length) continue;
    const action = random.below(4);
    if (action === 0) {
      bytes[at] = bytes[at]! ^ (1 << random.below(8));
      what.push(`${region.name}+${into} flipped`);
    } else if (action === 1) {
      const value = random.pick(edgeValues(bytes.length)) & ((1n << BigInt(width * 8)) - 1n);
      write(bytes, at, width, value);
      what.push(`${region.name}+${into} = ${value}`);
    } else if (action === 2) {
      const from = random.below(bytes.length - width);
      bytes.copyWithin(at, from, from + width);
      what.push(`${region.name}+${into} from ${from}`);
    } else {
      const length = Math.min(random.below(256), region.sizeBytes - into);
      bytes.fill(random.pick([0, 1, 0x7f, 0x80, 0xff]), at, at + length);
      what.push(`${region.name}+${into} filled for ${length}`);
    }
  }
  return { what: what.join(', '), bytes };
}

/** Makes every program header a writable PT_LOAD of the whole file, so that each pass over the segments is as long as possible. */
export function overlappingLoads(seed: Seed): Mutant {
  const bytes = copy(seed.bytes);
  const view = new DataView(bytes.buffer);
  const table = Number(view.getBigUint64(32, true));
  for (let index = 0; index < view.getUint16(56, true); index++) {
    const at = table + index * 56;
    if (view.getUint32(at, true) === 2) continue;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, 6, true);
    write(bytes, at + 8, 8, 0n);
    write(bytes, at + 32, 8, BigInt(bytes.length));
    write(bytes, at + 40, 8, BigInt(bytes.length));
  }
  return { what: 'all segments are loads of the whole file', bytes };
}

function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function write(bytes: Uint8Array, at: number, width: number, value: bigint): void {
  for (let index = 0; index < width; index++) bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
}
