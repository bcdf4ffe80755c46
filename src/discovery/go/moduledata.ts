import { UspanError } from '../../contract/errors.ts';
import { u64 } from '../elf/bytes.ts';
import type { ElfImage } from '../elf/image.ts';
import { type RelativeRelocations, relocatedView } from '../elf/relocations.ts';
import { searchLoads } from '../elf/search.ts';
import type { PclnHeader } from './pclntab.ts';
import { selfDescribedTail } from './self-described.ts';

/** Addresses in [start, end). */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/** A Go slice in the file. */
export interface FileSlice {
  readonly address: number;
  readonly length: number;
}

/** The part of `runtime.firstmoduledata` that uspan uses. All of it is file-backed. */
export interface ModuleData {
  readonly address: number;
  readonly pclntab: PclnHeader;
  readonly text: AddressRange;
  /** Type descriptors and their names. In non-PIE files up to Go 1.26, all other read-only data too. */
  readonly types: AddressRange;
  /** True if typedesclen is between types and etypes (Go 1.27). */
  readonly hasTypeDescLength: boolean;
  readonly functionNames: FileSlice;
  /** Pairs of u32: entry offset from text, offset of the `_func` in `functionData`. One more entry offset is at the end. */
  readonly functionTable: AddressRange;
  readonly functionData: FileSlice;
  /** `runtime.textsect` entries. Very large externally linked programs have more than one. */
  readonly textSections: FileSlice;
}

const maxCandidates = 16;
const moduledataWords = 64;
const maxTypesBytes = 2 ** 31;
const maxTextSections = 64;

/**
 * Finds moduledata as a word in the data that points to a function table, with slices of exactly that table behind it
 * (`src/runtime/symtab.go`). It knows the layout by structure, not by version. Undefined if there is no function table. E_GO_MODULEDATA if
 * there is one without moduledata, and `required`.
 */
export function findModuleData(
  image: ElfImage,
  relocations: RelativeRelocations,
  tables: Iterable<PclnHeader>,
  required: boolean,
): ModuleData | undefined {
  const reasons: string[] = [];
  let tablesSeen = 0;
  for (const table of tables) {
    tablesSeen++;
    for (const address of wordsPointingTo(image, relocations, table.address)) {
      const words = readWords(image, relocations, address);
      const found = words ? check(image, relocations, address, words, table) : 'moduledata is cut off';
      if (typeof found !== 'string') return found;
      if (reasons.length < 4) reasons.push(`at 0x${address.toString(16)} ${found}`);
    }
  }
  if (tablesSeen === 0 || !required) return undefined;
  const why = reasons.length ? reasons.join('; ') : 'no data word points to the function table';
  throw new UspanError('E_GO_MODULEDATA', `no usable Go module data: ${why}`, { on: image.path });
}

function* wordsPointingTo(image: ElfImage, relocations: RelativeRelocations, address: number): Generator<number> {
  const pattern = Buffer.alloc(8);
  pattern.writeBigUInt64LE(BigInt(address));
  yield* searchLoads(image, pattern, { where: (load) => load.writable, alignBytes: 8, maxMatches: maxCandidates });
  yield* relocations.wordsHolding(address, maxCandidates);
}

function readWords(image: ElfImage, relocations: RelativeRelocations, address: number): number[] | undefined {
  const view = relocatedView(image, relocations, address, moduledataWords * 8);
  if (!view) return undefined;
  return Array.from({ length: moduledataWords }, (_, index) => u64(view, index * 8));
}

/** The checked moduledata, or what is wrong with it. Words have 64 bits and count from its start. */
function check(
  image: ElfImage,
  relocations: RelativeRelocations,
  address: number,
  words: number[],
  table: PclnHeader,
): ModuleData | string {
  const word = (index: number) => words[index]!;
  for (const [part, index] of [1, 4, 7, 10, 13].entries()) {
    if (word(index) !== table.parts[part]) return `word ${index} is ${word(index)}, not ${table.parts[part]}`;
    if (word(index + 1) !== word(index + 2)) return `words ${index + 1} and ${index + 2} differ: not a whole slice`;
  }
  const functions = table.functionCount;
  if (word(16) !== word(13)) return `ftab ${word(16)} is not pclntable ${word(13)}`;
  if (word(17) !== word(18) || (word(17) !== functions && word(17) !== functions + 1)) {
    return `ftab length ${word(17)} is not the header's ${functions}`;
  }
  const [minPc, maxPc, textStart, textEnd] = [word(20), word(21), word(22), word(23)];
  if (!(textStart <= minPc && minPc < maxPc && maxPc <= textEnd)) {
    return `text ${textStart}..${textEnd} does not hold ${minPc}..${maxPc}`;
  }
  const known = tailLayout(image, words, table.before120);
  const layout = typeof known === 'string' ? selfDescribedTail(image, relocations, words) : known;
  if (!layout) return String(known);
  const { types, textSections } = layout;
  if (!(image.offsetOf(types.start, types.end - types.start) >= 0 && textSections.length <= maxTextSections)) {
    return `types ${types.start}..${types.end} are not in the file`;
  }
  const functionNames = { address: word(1), length: word(2) };
  const functionData = { address: word(13), length: word(14) };
  const tableBytes = functions * 8 + 4;
  if (image.offsetOf(functionNames.address, functionNames.length) < 0)
    return `funcnametab of ${word(2)} bytes is not in the file`;
  if (image.offsetOf(functionData.address, functionData.length) < 0)
    return `pclntable of ${word(14)} bytes is not in the file`;
  if (image.offsetOf(word(16), tableBytes) < 0) return `ftab of ${tableBytes} bytes is not in the file`;
  return {
    address,
    pclntab: table,
    text: { start: textStart, end: textEnd },
    types: layout.types,
    hasTypeDescLength: layout.hasTypeDescLength,
    functionNames,
    functionTable: { start: word(16), end: word(16) + tableBytes },
    functionData,
    textSections: layout.textSections,
  };
}

/** The part of moduledata whose offset depends on the Go version. */
export interface TailLayout {
  readonly hasTypeDescLength: boolean;
  readonly types: AddressRange;
  readonly textSections: FileSlice;
}

/**
 * The part after the fixed words. covctrs and ecovctrs came with 1.20, epclntab with 1.26. In 1.27, typedesclen came between types and
 * etypes, and typelinks and itablinks went away.
 */
function tailLayout(image: ElfImage, words: number[], before120: boolean): TailLayout | string {
  const word = (index: number) => words[index]!;
  const at = before120 ? 35 : 37;
  const start = word(at);
  if (image.offsetOf(start, 8) < 0) return `types ${start} is not in the file`;
  const wholeSlice = (index: number, max: number) => word(index + 1) === word(index + 2) && word(index + 1) <= max;
  const hasTypeDescLength = word(at + 1) < start;
  const finish = (end: number, slice: number): TailLayout | string => {
    const sizeBytes = end - start;
    if (!(sizeBytes > 0 && sizeBytes < maxTypesBytes)) return `types ${start}..${end} is no range`;
    if (image.offsetOf(start, sizeBytes) < 0) return `types ${start}..${end} is not in the file`;
    return {
      hasTypeDescLength,
      types: { start, end },
      textSections: { address: word(slice), length: word(slice + 1) },
    };
  };

  if (hasTypeDescLength) {
    const slice = at + 8;
    if (!(start + word(at + 1) <= word(at + 2)))
      return `typedesclen ${word(at + 1)} reaches past etypes ${word(at + 2)}`;
    if (!wholeSlice(slice, maxTextSections)) return `words ${slice + 1} and ${slice + 2} are no textsectmap`;
    return finish(word(at + 2), slice);
  }
  for (const slice of [at + 4, at + 5]) {
    const typelinks = slice + 3;
    if (!wholeSlice(slice, maxTextSections) || !wholeSlice(typelinks, 1 << 24) || !wholeSlice(slice + 6, 1 << 24))
      continue;
    if (!(word(typelinks + 1) > 0) || image.offsetOf(word(typelinks), 4 * word(typelinks + 1)) < 0) continue;
    return finish(word(at + 1), slice);
  }
  return `words ${at + 4}..${at + 13} are no textsectmap, typelinks and itablinks`;
}
