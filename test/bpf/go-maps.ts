/**
 * `map[string][]string` as Go lays it out, built by hand from the runtime's sources: internal/runtime/maps (map.go, table.go,
 * group.go; Go 1.24 and newer) and runtime/map_noswiss.go (before). Sizes in bytes, on 64-bit machines.
 */
import type { GoMapLayout } from '../../src/contract/binary.ts';
import type { UserMemory } from './user-memory.ts';

/** A header and its values. `deleted` leaves the slot as Go's delete does, `empty` as one never used. */
export interface Slot {
  readonly key: string;
  readonly values?: readonly string[];
  readonly state?: 'full' | 'deleted' | 'empty';
}

const slotCount = 8;
const slotBytes = 16 + 24;
export const swissGroupBytes = 8 + slotCount * slotBytes;
const bucketBytes = 8 + slotCount * slotBytes + 8;

export const swissLayout: GoMapLayout = {
  kind: 'swiss',
  used: 0,
  dirPtr: 16,
  dirLen: 24,
  tableGroups: 16,
  tableLengthMask: 24,
  slots: 8,
  slotStride: slotBytes,
  groupSize: swissGroupBytes,
};

export const hmapLayout: GoMapLayout = {
  kind: 'hmap',
  count: 0,
  log2Buckets: 9,
  buckets: 16,
  keys: 8,
  elems: 8 + slotCount * 16,
  overflow: bucketBytes - 8,
  bucketSize: bucketBytes,
};

const isFull = ({ state = 'full' }: Slot) => state === 'full';
const fullSlots = (groups: readonly (readonly Slot[])[]) => BigInt(groups.flat().filter(isFull).length);

/** A map small enough for one group and no directory. Both can be at addresses of the caller's. */
export function smallSwissMap(
  memory: UserMemory,
  slots: readonly Slot[],
  group = memory.allocate(swissGroupBytes),
  map = memory.allocate(48),
): bigint {
  writeSwissGroup(memory, group, slots);
  return swissMap(memory, fullSlots([slots]), group, 0n, map);
}

/** One table of groups (a power of two of them). Its directory has `repeated` entries for it. */
export function swissMapOfGroups(memory: UserMemory, groups: readonly (readonly Slot[])[], repeated = 1): bigint {
  const data = memory.allocate(groups.length * swissGroupBytes);
  groups.forEach((slots, index) => {
    writeSwissGroup(memory, data + BigInt(index * swissGroupBytes), slots);
  });
  // used, capacity, growthLeft, localDepth; index; groups {data, lengthMask}
  const table = memory.allocate(32);
  memory.u64(table + 16n, data);
  memory.u64(table + 24n, BigInt(groups.length - 1));
  const directory = memory.allocate(8 * repeated);
  for (let entry = 0; entry < repeated; entry++) memory.u64(directory + BigInt(8 * entry), table);
  return swissMap(memory, fullSlots(groups), directory, BigInt(repeated));
}

function swissMap(memory: UserMemory, used: bigint, dirPtr: bigint, dirLen: bigint, map = memory.allocate(48)): bigint {
  memory.u64(map, used);
  memory.u64(map + 8n, 0x5eedn);
  memory.u64(map + 16n, dirPtr);
  memory.u64(map + 24n, dirLen);
  return map;
}

function writeSwissGroup(memory: UserMemory, group: bigint, slots: readonly Slot[]): void {
  const control = new Uint8Array(8).fill(0x80); // ctrlEmpty
  slots.forEach((slot, index) => {
    if (slot.state === 'deleted')
      control[index] = 0xfe; // ctrlDeleted
    else if (isFull(slot)) control[index] = 0x55; // h2: seven bits of the hash
    if (slot.state === 'empty') return;
    const at = group + BigInt(8 + index * slotBytes);
    writeString(memory, at, slot.key);
    writeStrings(memory, at + 16n, slot.values ?? ['value']);
  });
  memory.write(group, control);
}

/** A bucket and its overflow buckets. */
export type Chain = readonly (readonly Slot[])[];

/** A power of two of chains. While the map grows, `old` has what is not moved yet. */
export function hmap(memory: UserMemory, chains: readonly Chain[], old?: readonly Chain[]): bigint {
  const map = memory.allocate(48);
  memory.u64(map, fullSlots([...chains, ...(old ?? [])].flat()));
  memory.write(map + 9n, Uint8Array.of(Math.log2(chains.length)));
  memory.u64(map + 16n, writeBuckets(memory, chains));
  if (old) memory.u64(map + 24n, writeBuckets(memory, old));
  return map;
}

function writeBuckets(memory: UserMemory, chains: readonly Chain[]): bigint {
  const buckets = memory.allocate(chains.length * bucketBytes);
  chains.forEach((chain, index) => {
    let at = buckets + BigInt(index * bucketBytes);
    chain.forEach((slots, link) => {
      writeBucket(memory, at, slots);
      if (link === chain.length - 1) return;
      const overflow = memory.allocate(bucketBytes);
      memory.u64(at + BigInt(bucketBytes - 8), overflow);
      at = overflow;
    });
  });
  return buckets;
}

function writeBucket(memory: UserMemory, bucket: bigint, slots: readonly Slot[]): void {
  const tophash = new Uint8Array(8); // emptyRest
  slots.forEach((slot, index) => {
    if (slot.state === 'deleted')
      tophash[index] = 2; // evacuatedX: moved to the new buckets
    else if (isFull(slot)) tophash[index] = 5 + index; // minTopHash and up
    if (slot.state === 'empty') return;
    writeString(memory, bucket + BigInt(8 + index * 16), slot.key);
    writeStrings(memory, bucket + BigInt(8 + slotCount * 16 + index * 24), slot.values ?? ['value']);
  });
  memory.write(bucket, tophash);
}

function writeString(memory: UserMemory, at: bigint, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  const data = memory.allocate(bytes.length);
  memory.write(data, bytes);
  memory.u64(at, data);
  memory.u64(at + 8n, BigInt(bytes.length));
}

/** A []string: data, length, capacity. */
function writeStrings(memory: UserMemory, at: bigint, texts: readonly string[]): void {
  const strings = memory.allocate(16 * texts.length);
  texts.forEach((text, index) => {
    writeString(memory, strings + BigInt(16 * index), text);
  });
  memory.u64(at, strings);
  memory.u64(at + 8n, BigInt(texts.length));
  memory.u64(at + 16n, BigInt(texts.length));
}
