import type { FunctionSymbol, SymbolTable } from '../../contract/binary.ts';
import { type AddressOrder, orderByAddress } from './address-order.ts';
import { cString, u64 } from './bytes.ts';
import type { Section } from './container.ts';
import type { ElfImage } from './image.ts';
import { indexNames, maxNameBytes, type NameIndex, namesContaining, noName } from './name-index.ts';

const entryBytes = 24;
const maxSymbols = 8 * 1024 * 1024;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;

/**
 * Defined function symbols of `.symtab` or `.dynsym`. Undefined if the file has no such table. A table counts as absent if it reaches past
 * the end of the file, or names a string table that is not one. So does a symbol whose address is not file-backed. Indexes of names and
 * addresses are built on first use.
 */
export function elfSymbols(image: ElfImage, source: 'symtab' | 'dynsym'): SymbolTable | undefined {
  const section = image.sections.find((each) => each.type === source);
  const strings = image.sections.find((each) => each.index === section?.link && each.type === 'strtab');
  if (!section || !strings) return undefined;
  const functions = readFunctions(image, section);
  const names = image.buffer.subarray(strings.offset, strings.offset + strings.sizeBytes);
  let index: NameIndex | undefined;
  let order: AddressOrder | undefined;

  const symbol = (at: number): FunctionSymbol | undefined => {
    const address = functions.addresses[at]!;
    const fileOffset = image.offsetOf(address, 1);
    const name = cString(names, functions.names[at]!, maxNameBytes);
    if (fileOffset < 0 || name === undefined) return undefined;
    return { name, address, sizeBytes: functions.sizes[at]!, fileOffset };
  };
  return {
    source,
    count: functions.names.length,
    find(name) {
      index ??= indexNames(names, functions.names);
      for (const at of index.find(name)) {
        const found = symbol(at);
        if (found) return found;
      }
      return undefined;
    },
    findMatching(part, pattern) {
      for (const at of namesContaining(names, functions.names, part)) {
        const found = symbol(at);
        if (found && pattern.test(found.name)) return found;
      }
      return undefined;
    },
    at(address) {
      order ??= orderByAddress(functions.addresses);
      const at = order.lastAtOrBefore(address);
      if (at < 0) return undefined;
      const found = symbol(at);
      if (!found) return undefined;
      // Assembly often has no size. Then it reaches up to the next symbol.
      const end = found.sizeBytes ? found.address + found.sizeBytes : (order.startAfter(at) ?? found.address + 1);
      return address < end ? found : undefined;
    },
  };
}

interface Functions {
  /** Offsets into the string table. */
  readonly names: Uint32Array;
  readonly addresses: Float64Array;
  readonly sizes: Float64Array;
}

function readFunctions({ view }: ElfImage, section: Section): Functions {
  const total = Math.min(maxSymbols, Math.floor(section.sizeBytes / entryBytes));
  const names = new Uint32Array(total);
  const addresses = new Float64Array(total);
  const sizes = new Float64Array(total);
  let count = 0;
  for (let index = 0, at = section.offset; index < total; index++, at += entryBytes) {
    const type = view.getUint8(at + 4) & 15;
    const defined = view.getUint16(at + 6, true) !== 0;
    if (!defined || (type !== STT_FUNC && type !== STT_GNU_IFUNC)) continue;
    const address = u64(view, at + 8);
    if (Number.isNaN(address)) continue;
    names[count] = view.getUint32(at, true) || noName;
    addresses[count] = address;
    sizes[count] = u64(view, at + 16) || 0;
    count++;
  }
  return { names: names.slice(0, count), addresses: addresses.slice(0, count), sizes: sizes.slice(0, count) };
}
