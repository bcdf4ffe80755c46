import type { FieldPath, GoTypes } from '../../contract/binary.ts';
import type { ElfImage } from '../elf/image.ts';
import type { RelativeRelocations } from '../elf/relocations.ts';
import { contextWrappers } from './context-wrappers.ts';
import { errorWrappers } from './error-wrappers.ts';
import { resolveFieldPath } from './field-path.ts';
import { isHeaderMap, mapLayout } from './map-layout.ts';
import type { ModuleData } from './moduledata.ts';
import { hasPackedOffsets, structFieldsReader } from './struct-fields.ts';
import { typeLayout } from './type-descriptor.ts';
import { indexTypes, type TypeIndex } from './type-index.ts';
import { typeMemory } from './type-memory.ts';

/** Struct layouts from the type descriptors that the program itself carries. The first question scans the descriptors (E_GO_TYPES). */
export function goTypes(image: ElfImage, relocations: RelativeRelocations, module: ModuleData): GoTypes {
  let opened: ReturnType<typeof open> | undefined;
  const open = () => {
    const memory = typeMemory(image, relocations, module.types);
    const index: TypeIndex = indexTypes(memory, module.hasTypeDescLength);
    const [own] = index.named('runtime.moduledata');
    const packed = module.pclntab.before120 && own !== undefined && hasPackedOffsets(memory, own);
    return { memory, index, fieldsOf: structFieldsReader(memory, packed) };
  };
  const use = () => {
    opened ??= open();
    return opened;
  };

  const field = (typeName: string, ...path: string[]): FieldPath | undefined => {
    const { memory, index, fieldsOf } = use();
    for (const type of index.named(typeName)) {
      const found = resolveFieldPath(memory, fieldsOf, type, path);
      if (found) return found;
    }
    return undefined;
  };
  /** Offset of a type's descriptor in the memory of all types. */
  const find = (typeName: string): number | undefined => {
    const { index } = use();
    const pointer = typeName.startsWith('*');
    for (const type of index.named(pointer ? typeName.slice(1) : typeName)) {
      const found = pointer ? index.pointerTo(type) : type;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    start: module.types.start,
    field,
    descriptor(typeName) {
      const found = find(typeName);
      return found === undefined ? undefined : use().memory.start + found;
    },
    hash(typeName) {
      const found = find(typeName);
      return found === undefined ? undefined : use().memory.view.getUint32(found + typeLayout.hash, true);
    },
    headerMap() {
      const { memory, index, fieldsOf } = use();
      for (const map of index.maps) {
        const layout = isHeaderMap(memory, map) ? mapLayout(memory, fieldsOf, map, field) : undefined;
        if (layout) return layout;
      }
      return undefined;
    },
    contextWrappers() {
      const { memory, index, fieldsOf } = use();
      return contextWrappers(memory, index, fieldsOf);
    },
    errorWrappers() {
      const { memory, index, fieldsOf } = use();
      return errorWrappers(memory, index, fieldsOf);
    },
  };
}
