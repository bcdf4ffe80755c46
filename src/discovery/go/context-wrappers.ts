import type { GoContextWrapper } from '../../contract/binary.ts';
import type { StructFields } from './struct-fields.ts';
import { GoKind, kindOf, plausible, typeLayout, uncommonOf } from './type-descriptor.ts';
import type { TypeIndex } from './type-index.ts';
import type { TypeMemory } from './type-memory.ts';

const fieldBytes = 24;
const methodBytes = 16;
/** Layout of `internal/abi.UncommonType`. */
const uncommonLayout = { methodCount: 4, methods: 8 } as const;
const contextMethods = ['Deadline', 'Done', 'Err', 'Value'];

/**
 * Struct types of the program that have the methods of context.Context but do not begin with their parent. They have one field of that
 * type, or, as in gin, the *http.Request that has the context.
 */
export function contextWrappers(memory: TypeMemory, index: TypeIndex, fieldsOf: StructFields): GoContextWrapper[] {
  const [context] = index.named('context.Context');
  const [request] = index.named('net/http.Request');
  if (context === undefined) return [];
  const requestPointer = request === undefined ? undefined : index.pointerTo(request);
  const requestContext = request === undefined ? undefined : fieldsOf(request)?.find(({ type }) => type === context);
  const found: GoContextWrapper[] = [];
  for (const type of index.all) {
    if (kindOf(memory, type) !== GoKind.struct || !mentions(memory, type, context, requestPointer)) continue;
    const pointer = index.pointerTo(type);
    if (pointer === undefined || !isContext(memory, pointer)) continue;
    const fields = fieldsOf(type) ?? [];
    const hashes = [type, pointer].map((each) => memory.view.getUint32(each + typeLayout.hash, true));
    const parents = fields.filter((field) => field.type === context);
    const requests = fields.filter((field) => field.type === requestPointer);
    if (parents.length === 1 && parents[0]!.offset > 0) {
      found.push({ hashes, struct: undefined, parent: parents[0]!.offset });
    } else if (parents.length === 0 && requests.length === 1 && requestContext) {
      found.push({ hashes, struct: requests[0]!.offset, parent: requestContext.offset });
    }
  }
  return found;
}

/** Whether a struct has a field of one of the types. It makes no names and objects for the fields. */
function mentions(memory: TypeMemory, struct: number, ...types: readonly (number | undefined)[]): boolean {
  if (!plausible(memory, struct)) return false;
  const count = Math.min(memory.word(struct + typeLayout.structFieldCount), memory.sizeBytes / fieldBytes);
  const first = memory.pointer(struct + typeLayout.structFields);
  for (let field = 0; field < count; field++) {
    if (types.includes(memory.pointer(first + field * fieldBytes + 8))) return true;
  }
  return false;
}

/** Whether a type's method table, which is sorted by name, names all of them. */
function isContext(memory: TypeMemory, type: number): boolean {
  const uncommon = uncommonOf(memory, type, 0);
  if (uncommon === undefined) return false;
  const count = memory.view.getUint16(uncommon + uncommonLayout.methodCount, true);
  const first = uncommon + memory.view.getUint32(uncommon + uncommonLayout.methods, true);
  let next = 0;
  for (let method = 0; method < count && next < contextMethods.length; method++) {
    const at = first + method * methodBytes;
    if (at + methodBytes > memory.sizeBytes) return false;
    const name = memory.name(memory.view.getInt32(at, true));
    if (name && memory.text(name) === contextMethods[next]) next++;
  }
  return next === contextMethods.length;
}
