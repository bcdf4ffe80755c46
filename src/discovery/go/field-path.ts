import type { FieldPath, FieldStep } from '../../contract/binary.ts';
import type { StructField, StructFields } from './struct-fields.ts';
import { GoKind, typeLayout } from './type-descriptor.ts';
import type { TypeMemory } from './type-memory.ts';

const maxEmbeddingDepth = 8;

/** How to get from a struct to `path`, or undefined if a name does not exist. Offsets between two loads are added up. */
export function resolveFieldPath(
  memory: TypeMemory,
  fieldsOf: StructFields,
  struct: number,
  path: readonly string[],
): FieldPath | undefined {
  const steps: FieldStep[] = [];
  let offset = 0;
  let type: number | undefined = struct;
  let last: StructField | undefined;
  const follow = (field: StructField) => {
    offset += field.offset;
    last = field;
    type = structBehind(memory, field);
    if (field.kind !== GoKind.pointer) return;
    steps.push({ offset, deref: true });
    offset = 0;
  };
  for (const [index, name] of path.entries()) {
    const chain: readonly StructField[] | undefined =
      type === undefined ? undefined : findField(memory, fieldsOf, type, name);
    if (!chain) return undefined;
    for (const field of chain.slice(0, -1)) follow(field);
    const field = chain.at(-1)!;
    if (index < path.length - 1) {
      follow(field);
    } else {
      offset += field.offset;
      last = field;
    }
  }
  if (!last) return undefined;
  const flatOffset = steps.length === 0 ? offset : undefined;
  steps.push({ offset, deref: false });
  return { steps, flatOffset, sizeBytes: last.sizeBytes, kind: last.kind };
}

/** The struct that a field holds or points to. */
function structBehind(memory: TypeMemory, field: StructField): number | undefined {
  if (field.kind === GoKind.struct) return field.type;
  if (field.kind !== GoKind.pointer) return undefined;
  const element = memory.pointer(field.type + typeLayout.element);
  return Number.isNaN(element) ? undefined : element;
}

/**
 * Go's selector rule: the shallowest depth at which the name occurs, if it occurs there only once. The chain ends with the field itself.
 */
function findField(
  memory: TypeMemory,
  fieldsOf: StructFields,
  struct: number,
  name: string,
): readonly StructField[] | undefined {
  let level: { type: number; chain: readonly StructField[] }[] = [{ type: struct, chain: [] }];
  const seen = new Set([struct]);
  for (let depth = 0; depth <= maxEmbeddingDepth && level.length > 0; depth++) {
    const found: (readonly StructField[])[] = [];
    const next: typeof level = [];
    for (const { type, chain } of level) {
      for (const field of fieldsOf(type) ?? []) {
        if (field.name === name) found.push([...chain, field]);
        const inner = field.embedded ? structBehind(memory, field) : undefined;
        if (inner === undefined || seen.has(inner)) continue;
        seen.add(inner);
        next.push({ type: inner, chain: [...chain, field] });
      }
    }
    if (found.length > 0) return found.length === 1 ? found[0] : undefined;
    level = next;
  }
  return undefined;
}
