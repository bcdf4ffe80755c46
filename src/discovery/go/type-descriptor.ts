import type { GoName, TypeMemory } from './type-memory.ts';

/** Layout of `internal/abi.Type` on 64-bit machines (`src/internal/abi/type.go`): byte offsets in a descriptor of 48 bytes. */
export const typeLayout = {
  size: 0,
  hash: 16,
  flags: 20,
  align: 21,
  fieldAlign: 22,
  kind: 23,
  name: 40,
  pointerToThis: 44,
  /** First word after the common part: the element of a pointer, slice or array; the key of a map. */
  element: 48,
  mapElement: 56,
  /** Bucket (up to 1.23) or group (swiss maps) of a map. */
  mapGroup: 64,
  structFields: 56,
  structFieldCount: 64,
  structFieldCapacity: 72,
} as const;

/** `reflect.Kind` values that uspan looks at. */
export const GoKind = {
  array: 17,
  map: 21,
  pointer: 22,
  slice: 23,
  string: 24,
  struct: 25,
  unsafePointer: 26,
} as const;

/** TFlag bits. */
export const typeFlag = { uncommon: 1, extraStar: 2, named: 4 } as const;

/** Bytes before the uncommon part, by kind. A map's depend on the Go version. */
const baseBytes: Readonly<Record<number, number>> = { 17: 72, 18: 64, 19: 56, 20: 80, 22: 56, 23: 56, 25: 80 };

export function kindOf(memory: TypeMemory, type: number): number {
  return memory.bytes[type + typeLayout.kind]! & 31;
}

export function flagsOf(memory: TypeMemory, type: number): number {
  return memory.bytes[type + typeLayout.flags]!;
}

/** The type's own string, as `*http.Request` or `map[string][]string`. */
export function stringOf(memory: TypeMemory, type: number): GoName | undefined {
  const name = memory.name(memory.view.getInt32(type + typeLayout.name, true));
  if (!name || name.start === name.end) return undefined;
  const starred = (flagsOf(memory, type) & typeFlag.extraStar) !== 0 && memory.bytes[name.start] === 0x2a;
  return starred ? { ...name, start: name.start + 1 } : name;
}

/** Offset of the uncommon part, or undefined for a type without one. */
export function uncommonOf(memory: TypeMemory, type: number, mapBytes: number): number | undefined {
  if ((flagsOf(memory, type) & typeFlag.uncommon) === 0) return undefined;
  const kind = kindOf(memory, type);
  const at = type + (kind === GoKind.map ? mapBytes : (baseBytes[kind] ?? 48));
  return at + 16 <= memory.sizeBytes ? at : undefined;
}

/** Whether a descriptor could be at this offset. Cheap tests only; a struct's field pointer is the decisive one. */
export function plausible(memory: TypeMemory, type: number): boolean {
  const { view, sizeBytes } = memory;
  if (!(type >= 0 && type + 48 <= sizeBytes)) return false;
  const word = view.getUint32(type + typeLayout.flags, true);
  const kind = (word >>> 24) & 31;
  if (kind === 0 || kind > 26 || word >>> 31 !== 0 || (word & 0xc0) !== 0) return false;
  if (!isAlignment((word >>> 8) & 255) || !isAlignment((word >>> 16) & 255)) return false;
  const size = memory.word(type);
  const pointerBytes = memory.word(type + 8);
  if (!(size < 2 ** 40 && pointerBytes <= size && pointerBytes % 8 === 0)) return false;
  const toThis = view.getInt32(type + typeLayout.pointerToThis, true);
  if (toThis < 0 || toThis >= sizeBytes || !stringOf(memory, type)) return false;
  if (kind !== GoKind.struct) return true;
  const count = memory.word(type + typeLayout.structFieldCount);
  if (count === 0) return true;
  return memory.pointer(type + typeLayout.structFields) === type + ((word & typeFlag.uncommon) !== 0 ? 96 : 80);
}

function isAlignment(value: number): boolean {
  return value !== 0 && value <= 64 && (value & (value - 1)) === 0;
}
