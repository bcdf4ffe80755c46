import type { UsdtNote } from '../../contract/binary.ts';
import { bufferOf, cString, u64, viewOf } from '../elf/bytes.ts';
import { type ElfImage, openElfImage } from '../elf/image.ts';
import { elfNotes } from '../elf/notes.ts';
import { variableFinder } from '../elf/variables.ts';
import { parseArguments } from './arguments.ts';
import { readSemaphore } from './semaphore.ts';

export interface UsdtNotes {
  readonly notes: readonly UsdtNote[];
  /** Notes that name no address in the file's code, or are cut off. Each is left out alone. */
  readonly malformed: number;
}

const section = '.note.stapsdt';
const NT_STAPSDT = 3;
const addressesBytes = 24;
const maxNameBytes = 256;
const maxArgumentTextBytes = 4096;
/** The largest real one (HotSpot 25) has 566. */
const maxNotes = 8192;

/** Whether a file has USDT notes at all: a look at its headers, before anything reads the rest. @throws UspanError-coded E_ELF_… */
export function hasUsdtNotes(bytes: Uint8Array, path: string): boolean {
  return openElfImage(bytes, path).section(section) !== undefined;
}

/**
 * The USDT sites of a file: notes of owner `stapsdt` and type 3, as <sys/sdt.h> writes them (SystemTap wiki,
 * "UserSpaceProbeImplementation"):
 *
 *     u64 site, u64 base, u64 semaphore, provider\\0, name\\0, arguments\\0
 *
 * Notes are not loaded, so prelink does not correct them. Section `.stapsdt.base` moves along with the code. So sites and semaphores are
 * shifted by the distance between that section and `base`. Never throws for the content of a note.
 */
export function readUsdtNotes(image: ElfImage): UsdtNotes {
  const notes: UsdtNote[] = [];
  let malformed = 0;
  // Nearly every file has none, so this saves a second walk over its other notes.
  if (image.sections.length > 0 && !image.section(section)) return { notes, malformed };
  const base = image.section('.stapsdt.base')?.address ?? 0;
  const variables = variableFinder(image);
  for (const { name, type, desc } of elfNotes(image)) {
    if (name !== 'stapsdt' || type !== NT_STAPSDT) continue;
    if (notes.length === maxNotes) {
      malformed++;
      continue;
    }
    const note = readNote(image, desc, base, variables);
    if (note) notes.push(note);
    else malformed++;
  }
  return { notes, malformed };
}

function readNote(
  image: ElfImage,
  desc: Uint8Array,
  base: number,
  variables: (name: string) => number | undefined,
): UsdtNote | undefined {
  if (desc.length < addressesBytes + 3) return undefined;
  const view = viewOf(desc);
  const linkedBase = u64(view, 8);
  const shift = base && linkedBase ? base - linkedBase : 0;
  const address = u64(view, 0) + shift;
  const fileOffset = codeOffset(image, address);

  const text = bufferOf(desc);
  const nameAt = desc.indexOf(0, addressesBytes) + 1;
  const argumentsAt = desc.indexOf(0, nameAt) + 1;
  if (nameAt === 0 || argumentsAt === 0) return undefined;
  const provider = cString(text, addressesBytes, maxNameBytes);
  const name = cString(text, nameAt, maxNameBytes);
  const argumentText = cString(text, argumentsAt, maxArgumentTextBytes);
  if (!provider || !name || argumentText === undefined || fileOffset < 0) return undefined;

  const linkedSemaphore = u64(view, 16);
  const semaphore = readSemaphore(image, {
    semaphore: linkedSemaphore && linkedSemaphore + shift,
    siteOffset: fileOffset,
  });
  if (semaphore === 'elsewhere') return undefined;
  return {
    provider,
    name,
    address,
    fileOffset,
    semaphore,
    argumentText,
    arguments: parseArguments(argumentText, { machine: image.machine, siteAddress: address, variables }),
  };
}

function codeOffset(image: ElfImage, address: number): number {
  const load = image.loads.find((each) => address >= each.address && address < each.address + each.fileBytes);
  return load?.executable ? load.offset + address - load.address : -1;
}
