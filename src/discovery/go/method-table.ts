import { uncommonOf } from './type-descriptor.ts';
import type { TypeMemory } from './type-memory.ts';

const methodBytes = 16;
/** Layout of `internal/abi.UncommonType`. */
const uncommonLayout = { methodCount: 4, methods: 8 } as const;

/**
 * Whether a type's method table, which is sorted by name, names all of them. For pointers and structs.
 * @param names exported ones, sorted
 */
export function hasMethods(memory: TypeMemory, type: number, names: readonly string[]): boolean {
  const uncommon = uncommonOf(memory, type, 0);
  if (uncommon === undefined) return false;
  const count = memory.view.getUint16(uncommon + uncommonLayout.methodCount, true);
  const first = uncommon + memory.view.getUint32(uncommon + uncommonLayout.methods, true);
  let next = 0;
  for (let method = 0; method < count && next < names.length; method++) {
    const at = first + method * methodBytes;
    if (at + methodBytes > memory.sizeBytes) return false;
    const name = memory.name(memory.view.getInt32(at, true));
    if (name && memory.text(name) === names[next]) next++;
  }
  return next === names.length;
}
