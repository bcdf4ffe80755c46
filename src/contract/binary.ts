/**
 * What discovery knows of a file, as plain data that every process with this file shares. Addresses are link-time virtual addresses
 * (`vaddr`) as numbers (< 2^53). Offsets are file offsets in bytes.
 */

/** ELF `e_machine` values that uspan plans for: 62 (EM_X86_64) and 183 (EM_AARCH64). */
export type Machine = 'x64' | 'arm64';

export interface FunctionSymbol {
  readonly name: string;
  /** Link-time virtual address of the entry. */
  readonly address: number;
  /** Bytes up to the next function, or `st_size`. 0 if unknown. */
  readonly sizeBytes: number;
  /** File offset of the entry, which uprobes take. */
  readonly fileOffset: number;
}

export interface SymbolTable {
  /** Where the names come from. */
  readonly source: 'symtab' | 'dynsym' | 'pclntab';
  readonly count: number;
  /** First function of exactly that name, or undefined. Of Go's ABI0 twins, the ABIInternal one. */
  find(name: string): FunctionSymbol | undefined;
  /** First function whose name contains `part` and matches `pattern`. */
  findMatching(part: string, pattern: RegExp): FunctionSymbol | undefined;
  /** The function that contains the address, or undefined. */
  at(address: number): FunctionSymbol | undefined;
}

/**
 * One step of a field path: add `offset`, then load the pointer there if `deref` is set (in Go, the field is a pointer to the next struct).
 */
export interface FieldStep {
  readonly offset: number;
  readonly deref: boolean;
}

export interface FieldPath {
  readonly steps: readonly FieldStep[];
  /** Sum of the offsets if only the last step dereferences, otherwise undefined. */
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
  /** `field('net/http.Request', 'URL', 'Path')`. Undefined if the binary lacks the type or the field. */
  field(typeName: string, ...path: string[]): FieldPath | undefined;
  /** Link-time address of the descriptors, from which a NameOff or TypeOff in one of them counts. */
  readonly start: number;
  /** Link-time address of the type descriptor of a named type (`*T` for pointers to it), or undefined. */
  descriptor(typeName: string): number | undefined;
  /** `internal/abi.Type.Hash` of a named type (`*T` for pointers to it), or undefined. It tells types apart at run time. */
  hash(typeName: string): number | undefined;
  /** Layout of `map[string][]string` (http.Header). */
  headerMap(): GoMapLayout | undefined;
  /** Types that are a context.Context but do not begin with their parent. */
  contextWrappers(): readonly GoContextWrapper[];
  /** Types that are an error and have another one, which their Unwrap() returns. */
  errorWrappers(): readonly GoErrorWrapper[];
}

/** An error of the program's or a library's own that wraps another: `*url.Error`, `*os.PathError`. */
export interface GoErrorWrapper {
  /** `internal/abi.Type.Hash` of the struct and of pointers to it, as far as they are errors. */
  readonly hashes: readonly number[];
  /** Offset of the error inside, an interface. */
  readonly inner: number;
}

/** A context.Context that the program or a library defines: `struct{ mu sync.Mutex; context.Context }`, `*gin.Context`. */
export interface GoContextWrapper {
  /** `internal/abi.Type.Hash` of the struct and of pointers to it. */
  readonly hashes: readonly number[];
  /** Offset of the pointer to the struct that has the parent. Undefined: this struct has it. */
  readonly struct: number | undefined;
  /** Offset of the parent, an interface. */
  readonly parent: number;
}

/** What the build info of a Go program says it is. */
export interface GoFacts {
  /** As in build info: `go1.26.8`. Empty if the binary has none. */
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

/** Where the value of a USDT argument is when a thread reaches its site. Registers have their full-width names: `rdi`, `x20`, `sp`. */
export type UsdtLocation =
  | { readonly in: 'constant'; readonly value: bigint }
  /** The value's lowest byte is `shiftBits` above the register's: 8 for %ah, %bh, %ch, %dh, else 0. */
  | { readonly in: 'register'; readonly register: string; readonly shiftBits: number }
  /**
   * At `base + (index << scaleBits) + offset`. Base `site` is the address of the site itself, wherever the file is loaded. Variables of the
   * file are reached this way.
   */
  | {
      readonly in: 'memory';
      readonly base: string | 'site' | undefined;
      readonly index: string | undefined;
      readonly scaleBits: number;
      readonly offset: number;
    };

/** One argument of a USDT site: a value of 1, 2, 4 or 8 bytes, or why it is unreadable. Pointers are unsigned. */
export type UsdtArgument =
  | {
      readonly text: string;
      readonly readable: true;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly kind: 'signed' | 'unsigned' | 'float';
      readonly location: UsdtLocation;
    }
  | { readonly text: string; readonly readable: false; readonly why: string };

export interface UsdtSemaphore {
  readonly address: number;
  readonly fileOffset: number;
  /** Whether the kernel miscounts in a process that starts while the probe is there. See src/discovery/usdt/semaphore.ts. */
  readonly startsMiscounted: boolean;
}

/** One site of a USDT probe. A probe may have several sites, each with arguments of its own. */
export interface UsdtNote {
  readonly provider: string;
  readonly name: string;
  /** Link-time virtual address of the probed instruction. */
  readonly address: number;
  readonly fileOffset: number;
  /** The 16-bit counter that the program reads to see whether a tool is attached. The kernel counts it up. */
  readonly semaphore: UsdtSemaphore | undefined;
  /** As the compiler wrote it: `-4@%edi 8@-16(%rbp)`. */
  readonly argumentText: string;
  /** At most 12. */
  readonly arguments: readonly UsdtArgument[];
}

/** What is kept of a file when it is no longer open. Plain data. */
export interface BinaryFacts {
  /** GNU or Go build id if there is one, and the real device and inode. The same file never gets two keys. */
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
  /** USDT notes that were left out, because they are cut off or name no address in the file's code. */
  readonly malformedNotes: number;
  /** Link-time address of a variable. Undefined if there is none of that name, or more than one. */
  variable(name: string): number | undefined;
  /** The first NUL-terminated text of at most 256 bytes in its constants that begins with `start`. */
  constantText(start: string): string | undefined;
  /** Bytes of a function's code for the planner, at most `maxBytes`. The view or copy stays valid after the file is unmapped. */
  code(symbol: FunctionSymbol, maxBytes: number): Uint8Array;
}
