import type { GoContextWrapper } from '../../contract/binary.ts';
import { hasMethods } from './method-table.ts';
import { mentions, type StructFields } from './struct-fields.ts';
import { GoKind, kindOf, typeLayout } from './type-descriptor.ts';
import type { TypeIndex } from './type-index.ts';
import type { TypeMemory } from './type-memory.ts';

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
    if (pointer === undefined || !hasMethods(memory, pointer, contextMethods)) continue;
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
