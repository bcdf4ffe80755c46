/**
 * The whole native surface of uspan (native/src, built to native/build/Release/uspan.node). Every handle closes exactly once: by close(),
 * by garbage collection or at exit, whichever comes first. Using a closed handle throws.
 * Errors are `Error` with `code` (a code of src/contract/errors.ts), `errno` (a positive number) and, for a refused load, `verifierLog`
 * (its tail).
 */

export interface Versions {
  /** e.g. "1.7.0" */
  readonly libbpf: string;
  /** ABI of the addon. It goes up when this file changes incompatibly. */
  readonly abi: number;
}
export function versions(): Versions;

/**
 * A read-only shared mapping of a file: a private one would show the breakpoints of uprobes. A file that shrinks meanwhile reads as zeros
 * (SIGBUS is caught) and sets `faulted`.
 */
export interface MappedFile {
  /** View of the mapping. It is for reading only, because a write ends the process. After close() its byteLength is 0 (detached). */
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  /** An O_RDONLY descriptor of the same file, open until close(). Attach through /proc/self/fd/N. */
  readonly fd: number;
  /** True once a read has hit pages beyond the file's end. */
  faulted(): boolean;
  close(): void;
}
/** Throws E_FILE_READ. It refuses a file that is not regular, or is larger than maxBytes. */
export function mapFile(path: string, maxBytes: number): MappedFile;

/** Nanoseconds: CLOCK_REALTIME minus CLOCK_MONOTONIC (bpf_ktime_get_ns), from the tightest of a few samples. */
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
/** Probes the running kernel, and never asks its version. `detail` says why a feature is missing: an errno name and what was tried. */
export function probeFeature(name: FeatureName): { readonly supported: boolean; readonly detail: string };

export interface OpenOptions {
  /** BPF object file bytes (ELF). */
  readonly object: Uint8Array;
  /** For messages. */
  readonly name: string;
  /**
   * Bytes to copy over the start of `.rodata` (the object's const volatile configuration), by variable name. An unknown name or a wrong
   * size throws E_BPF_OPEN.
   */
  readonly rodata?: Readonly<Record<string, Uint8Array>>;
  /** max_entries by map name. */
  readonly mapMaxEntries?: Readonly<Record<string, number>>;
  /**
   * Maps of other objects that replace the object's own maps of these names. They stay open while either object is open. An unknown name,
   * another type, or another size of key or value throws E_BPF_OPEN.
   */
  readonly sharedMaps?: Readonly<Record<string, BpfMap>>;
  /**
   * Makes maps that are declared BPF_F_NO_PREALLOC with all their entries at once. True for kernels where tracing programs may not
   * allocate.
   */
  readonly preallocateMaps?: boolean;
  /** Loads uprobe programs for uprobe_multi links, otherwise for perf links. */
  readonly uprobeMulti: boolean;
}

export interface BpfMap {
  readonly name: string;
  readonly keySize: number;
  /** For per-CPU maps, a lookup returns value_size rounded up to 8, times the number of possible CPUs. */
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
   * All entries, in one crossing and a few system calls (BPF_MAP_LOOKUP_BATCH). The keys come concatenated. The values come in the same
   * order: of each, `bytes` bytes from `from` on, or all of it by default.
   */
  entries(from?: number, bytes?: number): { readonly keys: Uint8Array; readonly values: Uint8Array };
}

export interface ProgramInfo {
  readonly name: string;
  readonly runCount: bigint;
  readonly runTimeNs: bigint;
  /** Instructions that the verifier processed. */
  readonly verifiedInstructions: number;
}

export interface UprobeMultiOptions {
  readonly program: string;
  /** Path of the binary. /proc/self/fd/N is allowed. */
  readonly path: string;
  /** File offsets. */
  readonly offsets: BigUint64Array;
  /** Values of bpf_get_attach_cookie(), as many as offsets. */
  readonly cookies: BigUint64Array;
  /** File offsets of semaphores (0 = none), as many as offsets, or absent. */
  readonly refCtrOffsets?: BigUint64Array;
  /** Only the threads of this process. 0 or absent: every process that maps the file. */
  readonly pid?: number;
  /** Whether to fire at the function's entry, or at its return. */
  readonly mode?: 'entry' | 'return';
}

/** Keep a reference to it: the garbage collector closes a link without one. */
export interface Link {
  readonly kind: 'uprobe_multi' | 'perf' | 'raw_tracepoint';
  /** Number of kernel links behind it. For perf, one for each site. */
  readonly count: number;
  /**
   * Detaches on threads of the addon's own, up to 16 for all links, because a detach waits for RCU. Resolves when the kernel has let go of
   * all. A second call returns the same promise.
   */
  close(): Promise<void>;
}

export interface RingBuffer {
  /**
   * Copies whole records, each at an 8-byte boundary, into `slab` until it is full or the ring is empty. Returns the bytes written (0 = the
   * ring was empty).
   */
  drain(slab: Uint8Array): number;
  readonly sizeBytes: number;
  /** Number of records lost because they are larger than the whole slab. */
  readonly oversizedRecords: number;
  /** Calls `callback` on the event loop when BPF forces a wake-up. It does not keep the process alive. */
  onWakeup(callback: () => void): void;
  close(): void;
}

export interface BpfObject {
  programs(): ProgramInfo[];
  map(name: string): BpfMap;
  /** A ring has one reader: throws E_BPF_MAP while the ring is already open. */
  ring(name: string): RingBuffer;
  /**
   * One kernel link for all sites (uprobe_multi), or one perf link for each site (75 to 120 ms each to close, most of it one after the
   * other). It attaches all or none: a failure detaches what was attached, and throws E_ATTACH.
   */
  attachUprobes(options: UprobeMultiOptions): Link;
  attachRawTracepoint(program: string, name: string): Link;
  /**
   * Runs a BPF iterator to its end and returns what it wrote. More than maxBytes throws. `pid` restricts task iterators to one process if
   * the kernel can (6.1); otherwise the program must filter by itself. Without such a process, the result is empty.
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

/**
 * Gives memory back that start-up needed and a running agent does not: freed blocks of the C heap (malloc_trim), and the pages of program
 * files (Node.js, libraries) that are mapped only for reading or running. Those stay in the page cache, and what is used again comes back
 * with a minor fault. It takes some milliseconds.
 */
export function releaseMemory(): void;

/**
 * Takes a read lease (fcntl(2), F_SETLEASE) on a regular file that is open for reading: who opens it for writing or truncates it waits
 * until the lease is given back by closing the descriptor, at most /proc/sys/fs/lease-break-time seconds. `signal` then tells this process.
 * False: the file is open for writing, or its file system or this process's rights do not allow it.
 */
export function takeReadLease(fd: number, signal: number): boolean;

/** Whether the lease on this descriptor is held, and nobody waits for it. */
export function hasReadLease(fd: number): boolean;
