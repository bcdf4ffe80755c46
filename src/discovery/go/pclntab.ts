import { UspanError } from '../../contract/errors.ts';
import { u64 } from '../elf/bytes.ts';
import type { Segment } from '../elf/container.ts';
import type { ElfImage } from '../elf/image.ts';
import { searchLoads } from '../elf/search.ts';

/**
 * Header of the Go function table (`runtime.pcHeader`, 72 bytes). Its text start is not kept, because it is 0 from Go 1.26 on. moduledata
 * has the right one.
 */
export interface PclnHeader {
  readonly address: number;
  /** True for the magic of Go 1.18 and 1.19, false for that of 1.20 and later. */
  readonly before120: boolean;
  readonly functionCount: number;
  /** Addresses of the parts, in the order of the header: function names, compilation units, files, pc tables, functions. */
  readonly parts: readonly [number, number, number, number, number];
}

const magic118 = 0xfffffff0;
const magic120 = 0xfffffff1;
const headerBytes = 72;
const maxFunctions = 1 << 24;
const maxTableBytes = 2 ** 32;
/** A real file has one match. The rest are constants of programs that read such tables. */
const maxMatches = 64;

/** Headers that could be real, most trusted first: the named section, then every 8-aligned match of the magic in the loaded file. */
export function* pclntabCandidates(image: ElfImage): Generator<PclnHeader, void, undefined> {
  const named = namedSection(image);
  if (named !== undefined) {
    const header = readHeader(image, named.address);
    if (header) yield header;
  }
  for (const where of searchOrder) {
    for (const magic of [magic120, magic118]) {
      const pattern = Buffer.alloc(8);
      pattern.writeUInt32LE(magic, 0);
      pattern[6] = minimumInstructionBytes(image);
      pattern[7] = 8;
      for (const address of searchLoads(image, pattern, { where, alignBytes: 8, maxMatches })) {
        const header = address === named?.address ? undefined : readHeader(image, address);
        if (header) yield header;
      }
    }
  }
}

/**
 * A table without a section name is in relocated data (external PIE), or in read-only data without section headers, and hardly ever in
 * code.
 */
const searchOrder: readonly ((load: Segment) => boolean)[] = [
  (load) => load.writable,
  (load) => !load.writable && !load.executable,
  (load) => !load.writable && load.executable,
];

/** E_GO_PCLNTAB with what the file has instead of a usable table. */
export function noPclntab(image: ElfImage): UspanError {
  const section = namedSection(image);
  const at = section ? image.offsetOf(section.address, headerBytes) : -1;
  const found =
    at < 0
      ? 'none found'
      : `${section!.name} has magic 0x${image.view.getUint32(at, true).toString(16)}, ${u64(image.view, at + 8)} functions`;
  return new UspanError('E_GO_PCLNTAB', `no Go function table of Go 1.18 or later: ${found}`, { on: image.path });
}

function namedSection(image: ElfImage) {
  return image.section('.gopclntab') ?? image.section('.data.rel.ro.gopclntab');
}

function minimumInstructionBytes(image: ElfImage): number {
  return image.machine === 'x64' ? 1 : 4;
}

function readHeader(image: ElfImage, address: number): PclnHeader | undefined {
  const at = image.offsetOf(address, headerBytes);
  if (at < 0) return undefined;
  const { view } = image;
  const magic = view.getUint32(at, true);
  if (magic !== magic118 && magic !== magic120) return undefined;
  if (view.getUint16(at + 4, true) !== 0 || view.getUint8(at + 6) !== minimumInstructionBytes(image)) return undefined;
  if (view.getUint8(at + 7) !== 8) return undefined;
  const functionCount = u64(view, at + 8);
  if (!(functionCount > 0 && functionCount < maxFunctions)) return undefined;
  let previous = headerBytes;
  const part = (index: number) => {
    const offset = u64(view, at + 32 + 8 * index);
    if (!(offset >= previous && offset < maxTableBytes)) return Number.NaN;
    previous = offset;
    return address + offset;
  };
  const parts: PclnHeader['parts'] = [part(0), part(1), part(2), part(3), part(4)];
  if (parts.some(Number.isNaN)) return undefined;
  return { address, before120: magic === magic118, functionCount, parts };
}
