import type { ElfImage } from '../elf/image.ts';
import type { RelativeRelocations } from '../elf/relocations.ts';
import { searchLoads } from '../elf/search.ts';
import type { TailLayout } from './moduledata.ts';
import { type StructField, structFieldsReader } from './struct-fields.ts';
import { typeLayout } from './type-descriptor.ts';
import { typeMemory } from './type-memory.ts';

const typeName = '*runtime.moduledata';
const maxNames = 8;
const maxDescriptors = 256;
/** Searches of a whole segment. The right word is among the first few. */
const maxAttempts = 16;
/** The words of moduledata before its text and data bounds never point to types. */
const firstWord = 24;

/**
 * The part of moduledata that moves between Go versions, as the program's own type descriptor of `runtime.moduledata` describes it. This is
 * for versions newer than the known layouts. It takes for `types` the lowest word T for which a struct descriptor names itself by an offset
 * from T, and has the field `types` at that very word.
 */
export function selfDescribedTail(
  image: ElfImage,
  relocations: RelativeRelocations,
  words: readonly number[],
): TailLayout | undefined {
  const starts = [...new Set(words.slice(firstWord))]
    .filter((word) => image.offsetOf(word, 8) >= 0)
    .sort((a, b) => a - b);
  let attemptsLeft = maxAttempts;
  const pattern = Buffer.from(`\x13${typeName}`, 'latin1');
  for (const text of searchLoads(image, pattern, { where: () => true, alignBytes: 1, maxMatches: maxNames })) {
    const name = text - 1;
    for (const start of starts) {
      const load = image.loads.find((each) => start >= each.address && start < each.address + each.fileBytes)!;
      if (name <= start || name >= load.address + load.fileBytes) continue;
      if (attemptsLeft-- === 0) return undefined;
      const fields = describe(image, relocations, { start, end: load.address + load.fileBytes }, name - start);
      const layout = fields && readTail(words, start, fields);
      if (layout) return layout;
    }
  }
  return undefined;
}

/** Fields of the struct whose descriptor has that name offset. */
function describe(
  image: ElfImage,
  relocations: RelativeRelocations,
  range: { readonly start: number; readonly end: number },
  nameOffset: number,
): readonly StructField[] | undefined {
  const memory = typeMemory(image, relocations, range);
  const fieldsOf = structFieldsReader(memory, false);
  const bytes = Buffer.from(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.byteLength);
  const pattern = Buffer.alloc(4);
  pattern.writeInt32LE(nameOffset);
  let left = maxDescriptors;
  for (let at = bytes.indexOf(pattern); at >= 0 && left-- > 0; at = bytes.indexOf(pattern, at + 1)) {
    const fields = (memory.start + at - typeLayout.name) % 8 === 0 ? fieldsOf(at - typeLayout.name) : undefined;
    if (fields?.some((field) => field.name === 'types')) return fields;
  }
  return undefined;
}

function readTail(words: readonly number[], start: number, fields: readonly StructField[]): TailLayout | undefined {
  const wordOf = (name: string, index = 0) => {
    const field = fields.find((each) => each.name === name);
    return field ? (words[field.offset / 8 + index] ?? Number.NaN) : Number.NaN;
  };
  const end = wordOf('etypes');
  if (wordOf('types') !== start || !(end > start)) return undefined;
  return {
    hasTypeDescLength: fields.some((field) => field.name === 'typedesclen'),
    types: { start, end },
    textSections: { address: wordOf('textsectmap'), length: wordOf('textsectmap', 1) },
  };
}
