/**
 * The whole native surface of uspan (native/src, built to native/build/Release/uspan.node).
 * Every handle closes exactly once: by close(), by garbage collection or at exit, whichever comes first; using a closed handle throws.
 * Errors are `Error` with `code` = a uspan error code (src/contract/errors.ts), `errno` (number, positive) and, for a refused load, `verifierLog` (the tail).
 */

export interface Versions {
  /** e.g. "1.7.0" */
  readonly libbpf: string;
  /** USPAN native ABI; bumped when this file changes incompatibly. */
  readonly abi: number;
}
export function versions(): Versions;

/**
 * A read-only shared mapping of a file: a private one would show the breakpoints of uprobes. A file that shrinks meanwhile reads as zeros
 * (SIGBUS is caught) and sets `faulted`.
 */
export interface MappedFile {
  /** View of the mapping: for reading only, a write ends the process. After close() its byteLength is 0 (detached). */
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  /** An O_RDONLY descriptor of the same file, open until close(): attach through /proc/self/fd/N. */
  readonly fd: number;
  /** True once a read hit pages beyond the file's end. */
  faulted(): boolean;
  close(): void;
}
/** Throws E_FILE_READ; refuses what is not a regular file or is larger than maxBytes. */
export function mapFile(path: string, maxBytes: number): MappedFile;

/** Nanoseconds: CLOCK_REALTIME minus CLOCK_MONOTONIC (bpf_ktime_get_ns), the tightest of a few samples. */
export function clockOffsetNs(): bigint;

export type FeatureName =
  | 'btf'
  | 'ringbuf'
  | 'uprobeMulti'
  | 'attachCookie'
  | 'bpfLoop'
  | 'rawTracepoint'
  | 'iterTaskVma'
  | 'copyFromUserStr';
/** Probes the running kernel (never its version). `detail` says why not: an errno name and what was tried. */
export function probeFeature(name: FeatureName): { readonly supported: boolean; readonly detail: string };

export interface OpenOptions {
  /** BPF object file bytes (ELF). */
  readonly object: Uint8Array;
  /** For messages. */
  readonly name: string;
  /** Bytes to copy over the start of `.rodata` (the object's const volatile configuration), by variable name. Unknown name or wrong size throws E_BPF_OPEN. */
  readonly rodata?: Readonly<Record<string, Uint8Array>>;
  /** max_entries by map name. */
  readonly mapMaxEntries?: Readonly<Record<string, number>>;
  /**
   * Maps of other objects to use in place of the object's own ones of these names. They stay open while either object does.
   * Unknown name, another type or another size of key or value throws E_BPF_OPEN.
   */
  readonly sharedMaps?: Readonly<Record<string, BpfMap>>;
  /** Make maps declared BPF_F_NO_PREALLOC with all their entries at once: true for kernels where tracing programs may not allocate. */
  readonly preallocateMaps?: boolean;
  /** Load uprobe programs for uprobe_multi links; else for perf links. */
  readonly uprobeMulti: boolean;
}

export interface BpfMap {
  readonly name: string;
  readonly keySize: number;
  /** For per-CPU maps, lookups return value_size rounded up to 8, times possible CPUs. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Undefined when there is no such key. */
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array): void;
  /** False when there was no such key. */
  delete(key: Uint8Array): boolean;
  /** All keys, concatenated (at most maxEntries of them). */
  keys(): Uint8Array;
  /**
   * All entries, in one crossing and a few system calls (BPF_MAP_LOOKUP_BATCH): keys concatenated, and in the same order of each value the
   * `bytes` bytes from `from` on (all of it unless told).
   */
  entries(from?: number, bytes?: number): { readonly keys: Uint8Array; readonly values: Uint8Array };
}

export interface ProgramInfo {
  readonly name: string;
  readonly runCount: bigint;
  readonly runTimeNs: bigint;
  /** Instructions the verifier processed. */
  readonly verifiedInstructions: number;
}

export interface UprobeMultiOptions {
  readonly program: string;
  /** Path of the binary; /proc/self/fd/N is fine. */
  readonly path: string;
  /** File offsets. */
  readonly offsets: BigUint64Array;
  /** Same length as offsets: bpf_get_attach_cookie(). */
  readonly cookies: BigUint64Array;
  /** Semaphore file offsets (0 = none), same length, or absent. */
  readonly refCtrOffsets?: BigUint64Array;
  /** Only this process's threads (0 or absent = every process that maps the file). */
  readonly pid?: number;
  /** Fire at the function's entry, or at its return. */
  readonly mode?: 'entry' | 'return';
}

/** Keep it: a link nobody refers to any more is closed by the garbage collector. */
export interface Link {
  readonly kind: 'uprobe_multi' | 'perf' | 'raw_tracepoint';
  /** Number of kernel links behind it (perf: one a site). */
  readonly count: number;
  /**
   * Runs on threads of the addon's own, up to 16 of them for all links (a detach waits for RCU). Resolves once the kernel has let go of all;
   * a second call returns the same promise.
   */
  close(): Promise<void>;
}

export interface RingBuffer {
  /** Copies whole records, each at an 8-byte boundary, into `slab` until it is full or the ring is empty. Returns bytes written (0 = nothing there). */
  drain(slab: Uint8Array): number;
  readonly sizeBytes: number;
  /** Records lost because they are larger than the whole slab given to drain(). */
  readonly oversizedRecords: number;
  /** Calls `callback` on the event loop when BPF forces a wake-up. Does not keep the process alive. */
  onWakeup(callback: () => void): void;
  close(): void;
}

export interface BpfObject {
  programs(): ProgramInfo[];
  map(name: string): BpfMap;
  /** One reader at a time: throws E_BPF_MAP while the ring is open already. */
  ring(name: string): RingBuffer;
  /**
   * One kernel link for all sites (uprobe_multi), or one perf link a site (75 to 120 ms each to close, the most of it one after the other),
   * all or none: a failure detaches what was attached and throws E_ATTACH.
   */
  attachUprobes(options: UprobeMultiOptions): Link;
  attachRawTracepoint(program: string, name: string): Link;
  /**
   * Runs a BPF iterator to its end and returns what it wrote; more than maxBytes throws. `pid` restricts task iterators to one process
   * where the kernel can (6.1), else the program must filter by itself. Nothing is written when there is no such process.
   */
  runIterator(program: string, maxBytes: number, pid?: number): Uint8Array;
  /** SEC("syscall") test hook: runs the program once with ctx (in and out). Returns the program's return value. */
  testRun(program: string, ctx: Uint8Array): number;
  /** Closes programs, maps and rings; links must be closed by their owner first, and are closed here if they were not. */
  close(): Promise<void>;
}
/** Names of the maps an object file declares, without those that libbpf makes for its sections. Throws E_BPF_OPEN. */
export function mapNames(object: Uint8Array, name: string): string[];

export interface StructLayout {
  readonly size: number;
  /** Byte offsets by name. */
  readonly members: Readonly<Record<string, number>>;
}
/** The structs that an object file was built with, of those whose name begins so, by name: from its BTF. Throws E_BPF_OPEN. */
export function structLayouts(object: Uint8Array, name: string, prefix: string): Readonly<Record<string, StructLayout>>;

/** Opens and loads. Throws E_BPF_OPEN or E_BPF_LOAD (with verifierLog). */
export function openObject(options: OpenOptions): BpfObject;

/** Effective capabilities of this process as names without CAP_ (e.g. "BPF", "PERFMON", "SYS_ADMIN"). */
export function capabilities(): string[];
