import type { ElfImage } from '../elf/image.ts';
import { searchLoads } from '../elf/search.ts';

/** What `go version -m` prints. */
export interface GoBuildInfo {
  /** `go1.26.8`, or `devel …`. */
  readonly version: string;
  /** Path of the main package. Empty outside a module. */
  readonly path: string;
  readonly main: { readonly path: string; readonly version: string } | undefined;
  /** Version by module path. A replaced module has the replacement's version (empty for a directory). */
  readonly modules: ReadonlyMap<string, string>;
  readonly settings: ReadonlyMap<string, string>;
}

const magic = Buffer.from('\xff Go buildinf:', 'latin1');
const headerBytes = 32;
/** Flag at byte 15: the two strings follow the header, each with its length as a varint before it (Go ≥ 1.18). */
const inlineStrings = 2;
const maxVersionBytes = 256;
const maxModuleBytes = 4 * 1024 * 1024;
const maxMatches = 64;
/** The linker puts 16 bytes before and after the module text (`cmd/go/internal/modload`). */
const sentinelBytes = 16;

/** Build info of Go 1.18 and later, from `.go.buildinfo`, or from a search of the loaded file for its magic. Undefined if there is none. */
export function readGoBuildInfo(image: ElfImage, search: boolean): GoBuildInfo | undefined {
  const section = image.section('.go.buildinfo');
  if (section) return parse(image.buffer.subarray(section.offset, section.offset + section.sizeBytes));
  if (!search) return undefined;
  for (const writable of [true, false]) {
    const where = (load: { readonly writable: boolean }) => load.writable === writable;
    for (const address of searchLoads(image, magic, { where, alignBytes: 16, maxMatches })) {
      const load = image.loads.find((each) => address >= each.address && address < each.address + each.fileBytes);
      const offset = image.offsetOf(address, headerBytes);
      const info = load && offset >= 0 ? parse(image.buffer.subarray(offset, load.offset + load.fileBytes)) : undefined;
      if (info) return info;
    }
  }
  return undefined;
}

/** Format of `debug/buildinfo`. */
function parse(data: Buffer): GoBuildInfo | undefined {
  if (data.length < headerBytes || !data.subarray(0, magic.length).equals(magic)) return undefined;
  if (((data[15] ?? 0) & inlineStrings) === 0) return undefined;
  const version = readString(data, headerBytes, maxVersionBytes);
  if (!version) return undefined;
  const modules = readString(data, version.end, maxModuleBytes);
  const text = modules?.bytes.subarray(sentinelBytes, Math.max(sentinelBytes, modules.bytes.length - sentinelBytes));
  return { version: version.bytes.toString('utf8'), ...parseModuleText(text?.toString('utf8') ?? '') };
}

function readString(data: Buffer, at: number, maxBytes: number): { bytes: Buffer; end: number } | undefined {
  let length = 0;
  for (let index = 0; index < 5; index++) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) {
      const start = at + index + 1;
      const end = start + length;
      return length <= maxBytes && end <= data.length ? { bytes: data.subarray(start, end), end } : undefined;
    }
  }
  return undefined;
}

/** Tab-separated lines, as `runtime/debug.ParseBuildInfo` reads them. It skips lines that ParseBuildInfo would refuse. */
function parseModuleText(text: string): Omit<GoBuildInfo, 'version'> {
  let path = '';
  let main: GoBuildInfo['main'];
  let last: string | undefined;
  const modules = new Map<string, string>();
  const settings = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [key, first = '', second = ''] = line.split('\t');
    if (key === 'path') path = first;
    else if (key === 'mod') main = { path: first, version: second };
    else if (key === 'dep') {
      modules.set(first, second);
      last = first;
    } else if (key === '=>' && last !== undefined) modules.set(last, second);
    else if (key === 'build') setting(settings, line.slice('build\t'.length));
  }
  return { path, main, modules, settings };
}

/** `KEY=VALUE`; a value with spaces, quotes or the like is quoted as a Go string. */
function setting(settings: Map<string, string>, text: string): void {
  const equals = text.indexOf('=');
  if (equals > 0) settings.set(text.slice(0, equals), unquote(text.slice(equals + 1)));
}

/** Undoes the escapes that `strconv.Quote` and JSON share. Other text stays as it is. */
function unquote(text: string): string {
  if (text.length < 2) return text;
  if (text.startsWith('`') && text.endsWith('`')) return text.slice(1, -1);
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
