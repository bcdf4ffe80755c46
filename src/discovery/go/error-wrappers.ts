import type { GoErrorWrapper } from '../../contract/binary.ts';
import { hasMethods } from './method-table.ts';
import { mentions, type StructFields } from './struct-fields.ts';
import { GoKind, kindOf, typeLayout } from './type-descriptor.ts';
import type { TypeIndex } from './type-index.ts';
import type { TypeMemory } from './type-memory.ts';

const methods = ['Error', 'Unwrap'];

/** Struct types of the program that are errors, have Unwrap(), and have one field of type error: what Unwrap() returns. */
export function errorWrappers(memory: TypeMemory, index: TypeIndex, fieldsOf: StructFields): GoErrorWrapper[] {
  const [error] = index.named('error');
  if (error === undefined) return [];
  const found: GoErrorWrapper[] = [];
  for (const type of index.all) {
    if (kindOf(memory, type) !== GoKind.struct || !mentions(memory, type, error)) continue;
    const pointer = index.pointerTo(type);
    const wrapping = [type, pointer].filter((each) => each !== undefined && hasMethods(memory, each, methods));
    if (wrapping.length === 0) continue;
    const inner = (fieldsOf(type) ?? []).filter((field) => field.type === error);
    if (inner.length !== 1) continue;
    const hashes = wrapping.map((each) => memory.view.getUint32(each! + typeLayout.hash, true));
    found.push({ hashes, inner: inner[0]!.offset });
  }
  return found;
}
