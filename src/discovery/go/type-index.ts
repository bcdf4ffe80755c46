import { GoKind, kindOf, plausible, stringOf, typeFlag, typeLayout, uncommonOf } from './type-descriptor.ts';
import type { GoName, TypeMemory } from './type-memory.ts';

/** Every named type and every map type of the program, found by one linear scan of [types, etypes). Offsets from `types`. */
export interface TypeIndex {
  /**
   * Descriptors with that full name (`net/http.Request`), in address order. More than one when a function declares a type of the same
   * name; at most 64.
   */
  named(fullName: string): readonly number[];
  readonly maps: readonly number[];
  /** Descriptor of a pointer to the type, or undefined. */
  pointerTo(type: number): number | undefined;
}

const maxMaps = 65_536;
const maxFound = 64;
const prime = 0x01000193;

/** @param newestMaps true for Go 1.27, whose map descriptor is longer */
export function indexTypes(memory: TypeMemory, newestMaps: boolean): TypeIndex {
  const byHash = new Map<number, number | number[]>();
  const maps: number[] = [];
  const packageHashes = new Map<number, number>();
  let mapBytes: number | undefined;

  /** Package path and the rest of the name from its first dot on; undefined when they are not readable. */
  const nameParts = (type: number) => {
    const name = stringOf(memory, type);
    if (!name) return undefined;
    if (kindOf(memory, type) === GoKind.map) mapBytes ??= mapDescriptorBytes(memory, type, newestMaps);
    const uncommon = uncommonOf(memory, type, mapBytes ?? 88);
    const path = uncommon === undefined ? 0 : memory.view.getInt32(uncommon, true);
    if (path === 0) return { path, rest: name };
    const dot = memory.bytes.subarray(name.start, name.end).indexOf(0x2e);
    return dot < 0 ? undefined : { path, rest: { ...name, start: name.start + dot } };
  };
  const packageHash = (path: number): number | undefined => {
    const known = packageHashes.get(path);
    if (known !== undefined) return known;
    const name = memory.name(path);
    if (!name) return undefined;
    const hash = hashName(memory.bytes, name, basis);
    packageHashes.set(path, hash);
    return hash;
  };

  const { view } = memory;
  for (let type = (8 - (memory.start % 8)) % 8, end = memory.sizeBytes - 48; type <= end; type += 8) {
    // The same tests as `plausible` begins with, on one word: nearly every offset is turned away here.
    const word = view.getUint32(type + typeLayout.flags, true);
    const kind = (word >>> 24) & 31;
    if (kind === 0 || kind > 26 || (word & 0x8000_00c0) !== 0) continue;
    const isNamed = (word & typeFlag.named) !== 0;
    if ((!isNamed && kind !== GoKind.map) || !plausible(memory, type)) continue;
    if (kind === GoKind.map && maps.length < maxMaps) maps.push(type);
    if (!isNamed) continue;
    const parts = nameParts(type);
    const seed = parts && (parts.path === 0 ? basis : packageHash(parts.path));
    if (!parts || seed === undefined) continue;
    const hash = hashName(memory.bytes, parts.rest, seed);
    const known = byHash.get(hash);
    if (known === undefined) byHash.set(hash, type);
    else if (typeof known === 'number') byHash.set(hash, [known, type]);
    else if (known.length < maxFound) known.push(type);
  }

  return {
    maps,
    named(fullName) {
      const bytes = Buffer.from(fullName, 'utf8');
      const found = byHash.get(hashName(bytes, { start: 0, end: bytes.length }, basis)) ?? [];
      return (typeof found === 'number' ? [found] : found).filter((type) => {
        const parts = nameParts(type);
        const path = parts?.path ? memory.name(parts.path) : undefined;
        return parts && `${path ? memory.text(path) : ''}${memory.text(parts.rest)}` === fullName;
      });
    },
    pointerTo(type) {
      // PtrToThis of a named type is there whenever the program has the pointer type.
      const pointer = view.getInt32(type + typeLayout.pointerToThis, true);
      if (pointer <= 0 || !plausible(memory, pointer) || kindOf(memory, pointer) !== GoKind.pointer) return undefined;
      return memory.pointer(pointer + typeLayout.element) === type ? pointer : undefined;
    },
  };
}

/** Size of `abi.OldMapType` (88), of the swiss `abi.MapType` of 1.24–1.26 (112) or of 1.27 (136), told by the first field of its group. */
function mapDescriptorBytes(memory: TypeMemory, map: number, newest: boolean): number {
  const group = memory.pointer(map + typeLayout.mapGroup);
  const fields = memory.pointer(group + typeLayout.structFields);
  const first = memory.name(memory.pointer(fields));
  if (!first || memory.text(first) !== 'ctrl') return 88;
  return newest ? 136 : 112;
}

const basis = 0x811c9dc5 | 0;

/** FNV-1a. */
function hashName(bytes: Uint8Array, name: Pick<GoName, 'start' | 'end'>, seed: number): number {
  let hash = seed;
  for (let at = name.start; at < name.end; at++) hash = Math.imul(hash ^ bytes[at]!, prime);
  return hash;
}
