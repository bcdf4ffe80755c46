import type { FieldPath, GoMapLayout } from '../../contract/binary.ts';
import type { StructFields } from './struct-fields.ts';
import { GoKind, kindOf, typeLayout } from './type-descriptor.ts';
import type { TypeMemory } from './type-memory.ts';

type FieldLookup = (typeName: string, ...path: string[]) => FieldPath | undefined;

/** Whether this map descriptor is one of string to []string, under whatever name. */
export function isHeaderMap(memory: TypeMemory, map: number): boolean {
  const key = memory.pointer(map + typeLayout.element);
  const element = memory.pointer(map + typeLayout.mapElement);
  if (Number.isNaN(key) || Number.isNaN(element)) return false;
  if (kindOf(memory, key) !== GoKind.string || kindOf(memory, element) !== GoKind.slice) return false;
  const text = memory.pointer(element + typeLayout.element);
  return !Number.isNaN(text) && kindOf(memory, text) === GoKind.string;
}

/** Layout of a map's memory: swiss tables since Go 1.24 (`internal/runtime/maps`), buckets before (`runtime/map.go`). */
export function mapLayout(
  memory: TypeMemory,
  fieldsOf: StructFields,
  map: number,
  field: FieldLookup,
): GoMapLayout | undefined {
  const group = memory.pointer(map + typeLayout.mapGroup);
  const fields = fieldsOf(group);
  if (!fields) return undefined;
  const groupSize = memory.word(group);
  const inGroup = (name: string) => fields.find((each) => each.name === name);
  const flat = (type: string, ...path: string[]) => field(type, ...path)?.flatOffset;

  const slots = inGroup('slots');
  if (slots && slots.kind === GoKind.array) {
    const slot = memory.pointer(slots.type + typeLayout.element);
    const used = flat('internal/runtime/maps.Map', 'used');
    const dirPtr = flat('internal/runtime/maps.Map', 'dirPtr');
    const dirLen = flat('internal/runtime/maps.Map', 'dirLen');
    const tableGroups = flat('internal/runtime/maps.table', 'groups', 'data');
    const tableLengthMask = flat('internal/runtime/maps.table', 'groups', 'lengthMask');
    const slotStride = memory.word(slot);
    if (used === undefined || dirPtr === undefined || dirLen === undefined) return undefined;
    if (tableGroups === undefined || tableLengthMask === undefined || Number.isNaN(slotStride)) return undefined;
    return {
      kind: 'swiss',
      used,
      dirPtr,
      dirLen,
      tableGroups,
      tableLengthMask,
      slots: slots.offset,
      slotStride,
      groupSize,
    };
  }

  const keys = inGroup('keys')?.offset;
  const elems = inGroup('elems')?.offset;
  const overflow = inGroup('overflow')?.offset;
  const count = flat('runtime.hmap', 'count');
  const log2Buckets = flat('runtime.hmap', 'B');
  const buckets = flat('runtime.hmap', 'buckets');
  if (keys === undefined || elems === undefined || overflow === undefined) return undefined;
  if (count === undefined || log2Buckets === undefined || buckets === undefined) return undefined;
  return { kind: 'hmap', count, log2Buckets, buckets, keys, elems, overflow, bucketSize: groupSize };
}
