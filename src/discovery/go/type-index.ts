import { GoKind, kindOf, plausible, stringOf, typeFlag, typeLayout, uncommonOf } from './type-descriptor.ts';
import type { TypeMemory } from './type-memory.ts';

/** Every named type and every map type of the program, found by one linear scan of [types, etypes). Values are offsets from `types`. */
export interface TypeIndex {
  /**
   * Descriptors with that full name (`net/http.Request`), in address order, at most 64. There are several if a function declares a type of
   * the same name.
   */
  named(fullName: string): readonly number[];
  /** Named types, as far as flags, kind and name show. */
  readonly all: readonly number[];
  readonly maps: readonly number[];
  /** Descriptor of a pointer to the type, or undefined. */
  pointerTo(type: number): number | undefined;
}

const maxMaps = 65_536;
const maxFound = 64;
/** Bound for a hostile file. The largest real one seen needs 5 MB. */
const maxHashedBytes = 128 * 1024 * 1024;

/** @param newestMaps true for Go 1.27, whose map descriptor is longer */
export function indexTypes(memory: TypeMemory, newestMaps: boolean): TypeIndex {
  const { types, hashes, maps } = scan(memory, newestMaps);
  return {
    all: types,
    maps,
    named(fullName) {
      const bytes = Buffer.from(fullName, 'utf8');
      const hash = hashBytes(bytes, 0, bytes.length, basis);
      const found: number[] = [];
      for (let at = hashes.indexOf(hash); at >= 0 && found.length < maxFound; at = hashes.indexOf(hash, at + 1)) {
        const type = types[at]!;
        if (plausible(memory, type) && fullNameOf(memory, type, newestMaps) === fullName) found.push(type);
      }
      return found;
    },
    pointerTo(type) {
      // A named type has PtrToThis whenever the program has the pointer type.
      const pointer = memory.view.getInt32(type + typeLayout.pointerToThis, true);
      if (pointer <= 0 || !plausible(memory, pointer) || kindOf(memory, pointer) !== GoKind.pointer) return undefined;
      return memory.pointer(pointer + typeLayout.element) === type ? pointer : undefined;
    },
  };
}

interface Scan {
  /** Named types, as far as their flags, kind and name show. `plausible` is called only for those that are looked up. */
  readonly types: readonly number[];
  /** Hash of the full name of each. */
  readonly hashes: Int32Array;
  readonly maps: readonly number[];
}

/**
 * One pass over all 8-aligned offsets. It rejects nearly every one of them, mostly before the optimising compiler is ready, so the loop has
 * no closures, property reads or allocations.
 */
function scan(memory: TypeMemory, newestMaps: boolean): Scan {
  const { view } = memory;
  const flagsAt = typeLayout.flags;
  const { named } = typeFlag;
  const mapKind = GoKind.map;
  const types: number[] = [];
  const hashes: number[] = [];
  const maps: number[] = [];
  const packages = new Map<number, number>();
  let budget = maxHashedBytes;
  const end = memory.sizeBytes - 48;
  for (let type = (8 - (memory.start % 8)) % 8; type <= end; type += 8) {
    const word = view.getUint32(type + flagsAt, true);
    // Bits that no flags, alignment (up to 64) or kind has.
    if ((word & 0x8080_80c0) !== 0) continue;
    const kind = (word >>> 24) & 31;
    const isNamed = (word & named) !== 0;
    if (kind === 0 || kind > 26 || (!isNamed && kind !== mapKind)) continue;
    if (kind === mapKind && maps.length < maxMaps && plausible(memory, type)) maps.push(type);
    const name = isNamed ? nameParts(memory, type, newestMaps) : undefined;
    if (!name) continue;
    let hash = basis;
    if (name.path !== 0) {
      hash = packages.get(name.path) ?? 0;
      if (hash === 0) {
        const path = memory.name(name.path);
        if (!path) continue;
        budget -= path.end - path.start;
        hash = hashBytes(memory.bytes, path.start, path.end, basis);
        packages.set(name.path, hash);
      }
    }
    budget -= name.end - name.start;
    if (budget < 0) break;
    types.push(type);
    hashes.push(hashBytes(memory.bytes, name.start, name.end, hash));
  }
  return { types, hashes: Int32Array.from(hashes), maps };
}

interface NameParts {
  /** Name offset of the package path; 0 for a predeclared type. */
  readonly path: number;
  /** The rest of the full name: from the first dot of the type's string, because a package name has no dot. */
  readonly start: number;
  readonly end: number;
}

function nameParts(memory: TypeMemory, type: number, newestMaps: boolean): NameParts | undefined {
  const name = stringOf(memory, type);
  if (!name) return undefined;
  const mapBytes = kindOf(memory, type) === GoKind.map ? mapDescriptorBytes(memory, type, newestMaps) : 0;
  const uncommon = uncommonOf(memory, type, mapBytes);
  const path = uncommon === undefined ? 0 : memory.view.getInt32(uncommon, true);
  let { start } = name;
  if (path === 0) return { path, start, end: name.end };
  while (start < name.end && memory.bytes[start] !== 0x2e) start++;
  return start === name.end ? undefined : { path, start, end: name.end };
}

function fullNameOf(memory: TypeMemory, type: number, newestMaps: boolean): string | undefined {
  const parts = nameParts(memory, type, newestMaps);
  const path = parts?.path ? memory.name(parts.path) : undefined;
  return parts && `${path ? memory.text(path) : ''}${memory.text(parts)}`;
}

/**
 * Size of `abi.OldMapType` (88), of the swiss `abi.MapType` of 1.24–1.26 (112) or of 1.27 (136). The first field of its group shows which.
 */
function mapDescriptorBytes(memory: TypeMemory, map: number, newest: boolean): number {
  const group = memory.pointer(map + typeLayout.mapGroup);
  const fields = memory.pointer(group + typeLayout.structFields);
  const first = memory.name(memory.pointer(fields));
  if (!first || memory.text(first) !== 'ctrl') return 88;
  return newest ? 136 : 112;
}

const basis = 0x811c9dc5 | 0;
const prime = 0x01000193;

/** FNV-1a. */
function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, prime);
  return hash;
}
