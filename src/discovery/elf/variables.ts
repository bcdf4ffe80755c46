import { u64 } from './bytes.ts';
import type { Section } from './container.ts';
import type { ElfImage } from './image.ts';
import { indexNames, type NameIndex, noName } from './name-index.ts';

const entryBytes = 24;
const maxSymbols = 8 * 1024 * 1024;
/** Names that are asked for in one file. Each costs a search of its string tables. */
const maxNames = 256;
const STT_NOTYPE = 0;
const STT_OBJECT = 1;

/**
 * Looks up the link-time address of a variable: in `.symtab` first, then in `.dynsym`. Undefined if there is none of that name, or if there
 * are several at different addresses (`static` variables of different sources), or if too many names were asked for.
 */
export function variableFinder(image: ElfImage): (name: string) => number | undefined {
  const known = new Map<string, number | undefined>();
  let tables: Variables[] | undefined;
  return (name) => {
    if (known.has(name) || known.size === maxNames) return known.get(name);
    tables ??= ['symtab', 'dynsym'].map((type) => readVariables(image, type)).filter((table) => table !== undefined);
    let address: number | undefined;
    for (const table of tables) {
      const addresses = new Set(table.index.find(name).map((at) => table.addresses[at]));
      if (addresses.size === 0) continue;
      [address] = addresses.size === 1 ? addresses : [];
      break;
    }
    known.set(name, address);
    return address;
  };
}

interface Variables {
  readonly index: NameIndex;
  readonly addresses: Float64Array;
}

function readVariables(image: ElfImage, type: string): Variables | undefined {
  const section = image.sections.find((each) => each.type === type);
  const strings = image.sections.find((each) => each.index === section?.link && each.type === 'strtab');
  if (!section || !strings) return undefined;
  const { names, addresses } = readEntries(image.view, section);
  const text = image.buffer.subarray(strings.offset, strings.offset + strings.sizeBytes);
  return { index: indexNames(text, names), addresses };
}

function readEntries(view: DataView, section: Section) {
  const total = Math.min(maxSymbols, Math.floor(section.sizeBytes / entryBytes));
  const names = new Uint32Array(total).fill(noName);
  const addresses = new Float64Array(total);
  for (let index = 0, at = section.offset; index < total; index++, at += entryBytes) {
    const type = view.getUint8(at + 4) & 15;
    const defined = view.getUint16(at + 6, true) !== 0;
    const address = u64(view, at + 8);
    if (!defined || (type !== STT_OBJECT && type !== STT_NOTYPE) || Number.isNaN(address)) continue;
    names[index] = view.getUint32(at, true) || noName;
    addresses[index] = address;
  }
  return { names, addresses };
}
