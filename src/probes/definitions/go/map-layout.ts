import type { GoMapLayout as Layout } from '../../../contract/binary.ts';
import { Constant, GoMap, GoMapLayout } from '../../layout.gen.ts';

const stringBytes = 16;

/** `struct uspan_go_map_layout` of `map[string][]string`. */
export function goMapLayout(map: Layout): Uint8Array {
  const view = new DataView(new ArrayBuffer(GoMapLayout.size));
  for (const [name, value] of Object.entries(map.kind === 'swiss' ? swiss(map) : hmap(map))) {
    view.setUint16(GoMapLayout[name as Field], value, true);
  }
  return new Uint8Array(view.buffer);
}

type Field = Exclude<keyof typeof GoMapLayout, 'size'>;

function swiss(map: Extract<Layout, { kind: 'swiss' }>): Record<Field, number> {
  return {
    kind: GoMap.SWISS,
    used: map.used,
    dirPtr: map.dirPtr,
    dirLen: map.dirLen,
    tableGroups: map.tableGroups,
    tableLengthMask: map.tableLengthMask,
    groupBytes: map.groupSize,
    groupKeys: map.slots,
    groupElems: map.slots + stringBytes,
    groupKeyStride: map.slotStride,
    groupElemStride: map.slotStride,
    bucketOverflow: Constant.FIELD_ABSENT,
  };
}

function hmap(map: Extract<Layout, { kind: 'hmap' }>): Record<Field, number> {
  return {
    kind: GoMap.HMAP,
    used: map.count,
    dirPtr: map.buckets,
    dirLen: map.log2Buckets,
    tableGroups: 0,
    tableLengthMask: 0,
    groupBytes: map.bucketSize,
    groupKeys: map.keys,
    groupElems: map.elems,
    groupKeyStride: stringBytes,
    groupElemStride: stringBytes + 8,
    bucketOverflow: map.overflow,
  };
}
