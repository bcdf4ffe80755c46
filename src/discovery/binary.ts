import type { Binary, FieldPath, FunctionSymbol, GoInfo, GoMapLayout, SymbolTable } from '../contract/binary.ts';
import { UspanError } from '../contract/errors.ts';
import { readBuildIds } from './elf/build-id.ts';
import { findConstantText } from './elf/constant-text.ts';
import { type DynamicTable, readDynamic } from './elf/dynamic.ts';
import { type ElfImage, openElfImage } from './elf/image.ts';
import { relativeRelocations } from './elf/relocations.ts';
import { firstOf } from './elf/symbol-tables.ts';
import { elfSymbols } from './elf/symbols.ts';
import { variableFinder } from './elf/variables.ts';
import { readGoProgram } from './go/go-info.ts';
import { readUsdtNotes } from './usdt/notes.ts';

/** A file as the caller mapped it. */
export interface BinarySource {
  /** The whole file, for reading only, and only until `release`. */
  readonly bytes: Uint8Array;
  readonly path: string;
  /** The real device and inode, not those of an overlay mount. */
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
}

/**
 * A Binary that still reads from the map. Call `release` when there are no more questions, and before you close the map: it drops every
 * index and view of the map.
 * Afterwards (or once the map is closed) the plain properties stay. `find`, `variable`, `constantText`, `field`, `descriptor`, `hash`,
 * `headerMap` and `contextWrappers` repeat every answer that they have given before. Anything new, and `at` and `code`, throws
 * E_FILE_CHANGED.
 */
export interface OpenBinary extends Binary {
  /** Whether it is linked with shared libraries. Only then does a process of it have a loader, and can load more of them. */
  readonly loadsLibraries: boolean;
  release(): void;
}

/**
 * Reads an executable or a shared library. Pure over `source.bytes`. It builds each index on the first question that needs it. Throws
 * E_ELF_FORMAT, E_ELF_UNSUPPORTED, and for a Go program E_GO_PCLNTAB, E_GO_MODULEDATA. Type lookups throw E_GO_TYPES.
 */
export function openBinary(source: BinarySource): OpenBinary {
  const { path } = source;
  const image = openElfImage(source.bytes, path);
  const dynamic = readDynamic(image);
  const relocations = relativeRelocations(image, dynamic);
  const ids = readBuildIds(image);
  const buildId = ids.gnu ?? ids.go;
  const program = readGoProgram(image, relocations, ids.go);
  const usdt = readUsdtNotes(image);
  const symtab = elfSymbols(image, 'symtab');
  const tables = [program?.functions, symtab, elfSymbols(image, 'dynsym')].filter((table) => table !== undefined);

  let live: { image: ElfImage; symbols: SymbolTable; go: GoInfo | undefined } | undefined;
  live = { image, symbols: firstOf(tables), go: program?.info };
  const use = () => {
    // A closed map leaves its view detached, without bytes.
    if (live && source.bytes.length > 0) return live;
    throw new UspanError('E_FILE_CHANGED', 'a new question about a file that is no longer mapped', { on: path });
  };
  const { source: symbolSource, count } = live.symbols;
  const find = remember((name: string) => use().symbols.find(name));
  const findMatching = remember((key: string) => {
    const [part = '', pattern = ''] = key.split('\0');
    return use().symbols.findMatching(part, new RegExp(pattern));
  });
  let findVariable: ((name: string) => number | undefined) | undefined;
  return {
    key: `${buildId ?? `mtime-${source.mtimeNs}`}@${source.dev}:${source.ino}`,
    path,
    buildId,
    machine: image.machine,
    pie: image.positionIndependent,
    stripped: symtab === undefined,
    sizeBytes: source.bytes.length,
    loadsLibraries: dynamic.needed.length > 0,
    runtime: program ? 'go' : isNode(image, dynamic) ? 'node' : 'native',
    symbols: {
      source: symbolSource,
      count,
      find,
      findMatching: (part, pattern) => findMatching(`${part}\0${pattern.source}`),
      at: (address) => use().symbols.at(address),
    },
    notes: usdt.notes,
    malformedNotes: usdt.malformed,
    go: program ? rememberGo(program.info, () => use().go!) : undefined,
    variable: remember((name) => {
      findVariable ??= variableFinder(use().image);
      return findVariable(name);
    }),
    constantText: remember((start) => findConstantText(use().image, start)),
    code: (symbol, maxBytes) => readCode(use().image, symbol, maxBytes),
    release() {
      live = undefined;
      findVariable = undefined;
    },
  };
}

function rememberGo(info: GoInfo, use: () => GoInfo): GoInfo {
  const { version, path, main, modules, settings } = info;
  const descriptor = remember((name: string) => use().types.descriptor(name));
  const hash = remember((name: string) => use().types.hash(name));
  const fields = remember((key: string): FieldPath | undefined => {
    const [typeName = '', ...names] = key.split('\0');
    return use().types.field(typeName, ...names);
  });
  const wrappers = remember((_: 'context.Context') => use().types.contextWrappers());
  const errors = remember((_: 'error') => use().types.errorWrappers());
  const headerMap = remember((_: 'map[string][]string'): GoMapLayout | undefined => use().types.headerMap());
  return {
    version,
    path,
    main,
    modules,
    settings,
    types: {
      start: info.types.start,
      field: (typeName, ...names) => fields([typeName, ...names].join('\0')),
      descriptor,
      hash,
      headerMap: () => headerMap('map[string][]string'),
      contextWrappers: () => wrappers('context.Context'),
      errorWrappers: () => errors('error'),
    },
  };
}

/** The same function, but called only once for each key. */
function remember<K, V>(ask: (key: K) => V): (key: K) => V {
  const answers = new Map<K, V>();
  return (key) => {
    const known = answers.get(key);
    if (known !== undefined || answers.has(key)) return known as V;
    const answer = ask(key);
    answers.set(key, answer);
    return answer;
  };
}

/** A copy. */
function readCode(image: ElfImage, symbol: FunctionSymbol, maxBytes: number): Uint8Array {
  const load = image.loads.find(
    (each) => symbol.address >= each.address && symbol.address < each.address + each.fileBytes,
  );
  if (!load) return new Uint8Array(0);
  const inSegment = load.address + load.fileBytes - symbol.address;
  const sizeBytes = Math.min(maxBytes, inSegment, symbol.sizeBytes || maxBytes);
  const offset = load.offset + symbol.address - load.address;
  return new Uint8Array(image.bytes.subarray(offset, offset + sizeBytes));
}

/** Node.js itself, statically or in libnode. Both name `node::Start(int, char**)` in their dynamic symbols. */
function isNode(image: ElfImage, dynamic: DynamicTable): boolean {
  if (dynamic.needed.some((name) => name.startsWith('libnode.so'))) return true;
  const strings = image.section('.dynstr');
  if (!strings) return false;
  return image.buffer.subarray(strings.offset, strings.offset + strings.sizeBytes).includes('\0_ZN4node5StartEiPPc\0');
}
