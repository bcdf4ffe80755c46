/**
 * What discovery knows of a file, as plain data: shared by every process that maps it.
 * Addresses are link-time virtual addresses (`vaddr`) as numbers (< 2^53), offsets are file offsets in bytes.
 */

/** ELF `e_machine` values uspan plans for: 62 (EM_X86_64) and 183 (EM_AARCH64). */
export type Machine = 'x64' | 'arm64';

export interface FunctionSymbol {
  readonly name: string;
  /** Link-time virtual address of the entry. */
  readonly address: number;
  /** Bytes up to the next function or `st_size`; 0 if unknown. */
  readonly sizeBytes: number;
  /** File offset of the entry: what uprobes take. */
  readonly fileOffset: number;
}

export interface SymbolTable {
  /** `symtab`, `dynsym` or `pclntab`: where the names come from. */
  readonly source: 'symtab' | 'dynsym' | 'pclntab';
  readonly count: number;
  /** First function of that exact name, or undefined. Go ABI0 twins: the ABIInternal one. */
  find(name: string): FunctionSymbol | undefined;
  /** First function whose name contains `part` and matches `pattern`. */
  findMatching(part: string, pattern: RegExp): FunctionSymbol | undefined;
  /** The function that contains the address, or undefined. */
  at(address: number): FunctionSymbol | undefined;
}

/** One step of a field path: add `offset`, then load the pointer there when `deref` (Go: the field is a pointer to the next struct). */
export interface FieldStep {
  readonly offset: number;
  readonly deref: boolean;
}

export interface FieldPath {
  readonly steps: readonly FieldStep[];
  /** Sum of the offsets when no step but the last dereferences, else undefined. */
  readonly flatOffset: number | undefined;
  /** Size in bytes of the last field. */
  readonly sizeBytes: number;
  /** `reflect.Kind` of the last field: Bool 1, Int 2, … Interface 20, Map 21, Ptr 22, Slice 23, String 24, Struct 25. */
  readonly kind: number;
}

/** How the map type `map[string][]string` of this binary lays out its memory. */
export type GoMapLayout =
  | {
      readonly kind: 'swiss';
      readonly used: number;
      readonly dirPtr: number;
      readonly dirLen: number;
      readonly tableGroups: number;
      readonly tableLengthMask: number;
      readonly slots: number;
      readonly slotStride: number;
      readonly groupSize: number;
    }
  | {
      readonly kind: 'hmap';
      readonly count: number;
      readonly log2Buckets: number;
      readonly buckets: number;
      readonly keys: number;
      readonly elems: number;
      readonly overflow: number;
      readonly bucketSize: number;
    };

export interface GoTypes {
  /** `field('net/http.Request', 'URL', 'Path')`; undefined where type or field is not in the binary. */
  field(typeName: string, ...path: string[]): FieldPath | undefined;
  /** Link-time address of the descriptors: a NameOff or TypeOff in one of them counts from here. */
  readonly start: number;
  /** Link-time address of the type descriptor of a named type (`*T` for pointers to it), or undefined. */
  descriptor(typeName: string): number | undefined;
  /** `internal/abi.Type.Hash` of a named type (`*T` for pointers to it), or undefined: what tells types apart at run time. */
  hash(typeName: string): number | undefined;
  /** Layout of `map[string][]string` (http.Header). */
  headerMap(): GoMapLayout | undefined;
  /** Types that are a context.Context and do not begin with their parent. */
  contextWrappers(): readonly GoContextWrapper[];
}

/** A context.Context of the program's own, or of a library: `struct{ mu sync.Mutex; context.Context }`, `*gin.Context`. */
export interface GoContextWrapper {
  /** `internal/abi.Type.Hash` of the struct and of pointers to it. */
  readonly hashes: readonly number[];
  /** Offset of the pointer to the struct that has the parent; undefined: this one has it. */
  readonly struct: number | undefined;
  /** Offset of the parent, an interface. */
  readonly parent: number;
}

/** What the build info of a Go program says it is. */
export interface GoFacts {
  /** As in build info: `go1.26.8`; empty when the binary has none. */
  readonly version: string;
  /** Path of the main package, e.g. `example.com/shop/cmd/api`. */
  readonly path: string;
  readonly main: { readonly path: string; readonly version: string } | undefined;
}

export interface GoInfo extends GoFacts {
  readonly modules: ReadonlyMap<string, string>;
  /** `-buildmode`, `CGO_ENABLED`, `vcs.revision`, … */
  readonly settings: ReadonlyMap<string, string>;
  readonly types: GoTypes;
}

/** Where a USDT argument's value is when its site is reached. Registers by their full-width names: `rdi`, `x20`, `sp`. */
export type UsdtLocation =
  | { readonly in: 'constant'; readonly value: bigint }
  /** The value's lowest byte is `shiftBits` above the register's: 8 for %ah, %bh, %ch, %dh, else 0. */
  | { readonly in: 'register'; readonly register: string; readonly shiftBits: number }
  /**
   * At `base + (index << scaleBits) + offset`. Base `site` is the address of the site itself, wherever the file is loaded:
   * how a variable of the file is reached.
   */
  | {
      readonly in: 'memory';
      readonly base: string | 'site' | undefined;
      readonly index: string | undefined;
      readonly scaleBits: number;
      readonly offset: number;
    };

/** One argument of a USDT site: a value of 1, 2, 4 or 8 bytes, or why it cannot be had. Pointers are unsigned. */
export type UsdtArgument =
  | {
      readonly text: string;
      readonly readable: true;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly kind: 'signed' | 'unsigned' | 'float';
      readonly location: UsdtLocation;
    }
  | { readonly text: string; readonly readable: false; readonly why: string };

/** One site of a USDT probe, which may have several: each has its own arguments. */
export interface UsdtNote {
  readonly provider: string;
  readonly name: string;
  /** Link-time virtual address of the probed instruction. */
  readonly address: number;
  readonly fileOffset: number;
  /** The 16-bit counter that the program asks whether anybody listens; the kernel counts it up. */
  readonly semaphore: { readonly address: number; readonly fileOffset: number } | undefined;
  /** As the compiler wrote them: `-4@%edi 8@-16(%rbp)`. */
  readonly argumentText: string;
  /** At most 12. */
  readonly arguments: readonly UsdtArgument[];
}

/** What is still known of a file when nobody reads it any more. Plain data. */
export interface BinaryFacts {
  /** GNU or Go build id when there is one, and the real device and inode: the same file never gets two keys. */
  readonly key: string;
  /** A path for people, as the process sees it. */
  readonly path: string;
  readonly runtime: 'go' | 'node' | 'native';
  readonly go: GoFacts | undefined;
}

export interface Binary extends BinaryFacts {
  readonly buildId: string | undefined;
  readonly machine: Machine;
  readonly pie: boolean;
  readonly stripped: boolean;
  readonly sizeBytes: number;
  readonly symbols: SymbolTable;
  readonly go: GoInfo | undefined;
  /** Its USDT sites, in the order of the file. */
  readonly notes: readonly UsdtNote[];
  /** USDT notes that were left out: cut off, or naming no place in the file's code. */
  readonly malformedNotes: number;
  /** Link-time address of a variable; undefined where there is none of that name, or several. */
  variable(name: string): number | undefined;
  /** The first NUL-terminated text of at most 256 bytes in its constants that begins with `start`. */
  constantText(start: string): string | undefined;
  /** Bytes of a function's code, for the site planner; at most `maxBytes`. A view or copy that stays valid after the file is unmapped. */
  code(symbol: FunctionSymbol, maxBytes: number): Uint8Array;
}
