import { GoKind, kindOf, plausible, typeLayout } from './type-descriptor.ts';
import type { TypeMemory } from './type-memory.ts';

export interface StructField {
  readonly name: string;
  readonly offset: number;
  readonly embedded: boolean;
  /** Descriptor of the field's type. */
  readonly type: number;
  readonly sizeBytes: number;
  readonly kind: number;
}

/**
 * Fields of a struct descriptor. Undefined if they cannot be right: a bad name, a type that is not one, a field beyond the struct's end.
 */
export type StructFields = (type: number) => readonly StructField[] | undefined;

const fieldBytes = 24;
const maxFields = 4096;
/** In one binary. The largest seen (121 MB) used 0.2 million. */
const maxFieldsInAll = 4 * 1024 * 1024;
const embeddedFlag = 8;

/**
 * @param packedOffsets Go 1.18 stores `offset << 1 | embedded` instead of flagging the name
 */
export function structFieldsReader(memory: TypeMemory, packedOffsets: boolean): StructFields {
  const cache = new Map<number, readonly StructField[] | undefined>();
  let budget = maxFieldsInAll;
  const read = (type: number): readonly StructField[] | undefined => {
    if (!plausible(memory, type) || kindOf(memory, type) !== GoKind.struct) return undefined;
    const count = memory.word(type + typeLayout.structFieldCount);
    if (count !== memory.word(type + typeLayout.structFieldCapacity) || !(count <= maxFields) || count > budget) {
      return undefined;
    }
    budget -= count;
    const structBytes = memory.word(type);
    const first = memory.pointer(type + typeLayout.structFields);
    const fields: StructField[] = [];
    for (let index = 0; index < count; index++) {
      const at = first + index * fieldBytes;
      const name = memory.name(memory.pointer(at));
      const fieldType = memory.pointer(at + 8);
      const raw = memory.word(at + 16);
      if (!name || !plausible(memory, fieldType)) return undefined;
      const offset = packedOffsets ? Math.floor(raw / 2) : raw;
      const sizeBytes = memory.word(fieldType);
      if (!(offset + sizeBytes <= structBytes)) return undefined;
      fields.push({
        name: memory.text(name),
        offset,
        embedded: packedOffsets ? raw % 2 === 1 : (name.flags & embeddedFlag) !== 0,
        type: fieldType,
        sizeBytes,
        kind: kindOf(memory, fieldType),
      });
    }
    return fields;
  };
  return (type) => {
    if (!cache.has(type)) cache.set(type, read(type));
    return cache.get(type);
  };
}

/** Whether a struct has a field of one of the types. It makes no names and objects for the fields. */
export function mentions(memory: TypeMemory, struct: number, ...types: readonly (number | undefined)[]): boolean {
  if (!plausible(memory, struct)) return false;
  const count = Math.min(memory.word(struct + typeLayout.structFieldCount), memory.sizeBytes / fieldBytes);
  const first = memory.pointer(struct + typeLayout.structFields);
  for (let field = 0; field < count; field++) {
    if (types.includes(memory.pointer(first + field * fieldBytes + 8))) return true;
  }
  return false;
}

/**
 * Whether the binary packs offsets (Go 1.18). A struct shows it whose last field would otherwise lie beyond its end, as that of
 * `runtime.moduledata` does.
 */
export function hasPackedOffsets(memory: TypeMemory, struct: number): boolean {
  const count = memory.word(struct + typeLayout.structFieldCount);
  const first = memory.pointer(struct + typeLayout.structFields);
  return memory.word(first + (count - 1) * fieldBytes + 16) >= memory.word(struct);
}
