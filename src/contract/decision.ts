/** plan → attach: what to attach where, and why not the rest. */
import type { Binary, BinaryFacts } from './binary.ts';
import type { Resource, Slab, SpanWriter } from './span.ts';

/**
 * How the kernel runs the instruction that a probe displaces. It emulates some classes, at about 0.5 µs a hit; they have x86's names. It
 * single-steps `stepped`, at about 15 µs under virtualisation. On x86-64 (arch/x86/kernel/uprobes.c) the classes are what their names say;
 * `jcc` is a conditional branch. On AArch64 (arch/arm64/kernel/probes/decode-insn.c) there is no `push`; `jcc` is b.cond, cbz or tbz, `jmp`
 * is b, `call` is bl, and `nop` is a hint.
 */
export type SiteClass = 'push' | 'jcc' | 'jmp' | 'call' | 'nop' | 'stepped';

export interface Site {
  readonly moment: number;
  /** The name of its point. */
  readonly momentName: string;
  readonly function: string;
  /** Link-time virtual address. */
  readonly address: number;
  readonly fileOffset: number;
  readonly class: SiteClass;
  /** The instruction as a disassembler prints it. */
  readonly instruction: string;
  /** Why the planner chose it, for `discover --explain`. */
  readonly why: string;
  /**
   * The site argument: what this site alone knows, for the program. It is the upper half of the cookie, a u32. If a `MapEntry` has it, the
   * cookie has the index of that entry instead.
   */
  readonly spec?: number;
  /** File offset of the semaphore that the kernel counts up while the site is attached (u16, `sys/sdt.h`). */
  readonly refCtrOffset?: number;
  /**
   * Link-time address of the semaphore, if the kernel miscounts in a process that starts while the probe is there. Such a site needs a link
   * for each process: see src/discovery/usdt/semaphore.ts.
   */
  readonly refCtrAddress?: number;
}

/** Where a moment is in the program, as a rule. */
export type Place =
  /** Entry of `function`, with the arguments still in registers. */
  | { readonly at: 'entry'; readonly function: string }
  /**
   * Where `function` of C or C++ begins, with `arguments` (by their number, from 0) still in registers. A mangled C++ name ends before its
   * parameters, because compilers and versions spell these differently.
   */
  | { readonly at: 'nativeEntry'; readonly function: string; readonly arguments: readonly number[] }
  /**
   * The first cheap instruction that always runs after `function` called `callee`, and it returned. Of several callees, the one that it
   * calls first.
   */
  | { readonly at: 'afterCall'; readonly function: string; readonly callee: string | readonly string[] }
  /**
   * The call of the first of `callees` that `function` calls. With `behind`, the first one at a higher address than its call of that
   * function.
   */
  | { readonly at: 'call'; readonly function: string; readonly callees: readonly string[]; readonly behind?: string }
  /**
   * The branch on what `callee` returned to `function`, with all results still in registers. With `of: 'result'`, `callee` returned an
   * interface, and the branch is on what a method of it returned.
   */
  | {
      readonly at: 'resultBranch';
      readonly function: string;
      readonly callee: string;
      readonly of: 'callee' | 'result';
    }
  /**
   * The first cheap instruction on the path that `function` takes when `callee` returned true, or an error. The site argument says where
   * the error is by then: 0 means in registers; otherwise it has the offsets from the stack pointer of its type (upper 16 bits) and data.
   */
  | {
      readonly at: 'resultPath';
      readonly function: string;
      readonly callee: string;
      readonly result: 'error' | 'true';
    }
  /** Every call of `callee` in `function`. */
  | { readonly at: 'calls'; readonly function: string; readonly callee: string }
  /**
   * All of these places that the binary has, and at least one. A function that the compiler inlines is in its callers as well as in itself.
   */
  | { readonly at: 'any'; readonly places: readonly Place[] }
  /** Every site of a USDT probe. The site argument finds their arguments: see src/probes/sites/argument-specs.ts. */
  | { readonly at: 'note'; readonly provider: string; readonly name: string };

export interface Point {
  /** Value of the definition's own `enum uspan_…_moment`, below MAX_MOMENTS. */
  readonly moment: number;
  /** `start`, `end`, `panic`: the name of the moment, for people. */
  readonly name: string;
  readonly place: Place;
  /** The BPF program for it, if that is not the definition's. */
  readonly program?: string;
  /** Whether the definition is useless without it. Otherwise the notes of the decision name what is lost. */
  readonly required: boolean;
  /** What is lost without it. */
  readonly purpose: string;
  /**
   * Calls that need this point, by name. A call that lacks one of its points is left out, with a note. There is no note if even the
   * function of its first point is missing, because the program then makes no such calls. A point goes with the last call that needs it.
   */
  readonly calls?: readonly string[];
  /**
   * With `address`, the site argument is the low half of the site's link-time address. A program that subtracts it from the instruction
   * pointer gets the load address, because programs and libraries are linked below 4 GiB.
   */
  readonly spec?: 'address';
}

/** What the sites of a binary have in an array of their program. It is written before the first site is attached. */
export interface MapEntry {
  readonly map: string;
  /** The `Site.spec` of the sites that it is for. Their cookies have the index in the array instead. */
  readonly spec: number;
  readonly value: Uint8Array;
}

/** The bytes of an attachment's configuration, or the field that was not found. */
export type Constants =
  | {
      readonly found: true;
      readonly bytes: Uint8Array;
      readonly notes: readonly string[];
      readonly entries?: readonly MapEntry[];
      /** `struct uspan_go_binary`, for definitions of Go libraries. It is the same for all definitions of a binary. */
      readonly goBinary?: Uint8Array;
    }
  | { readonly found: false; readonly missing: string };

/**
 * What became of a record. It became a span of some kind, or no span because it contradicts itself, or no span because it is the agent's
 * own export request to a traced collector.
 */
export type Written = 'server' | 'client' | 'internal' | 'malformed' | 'own_export';

/** A map of what is in flight. What ended processes left in it can be swept out. */
export interface InFlight {
  readonly map: string;
  /** Byte offset of the pid (u32) in its key. */
  readonly pidOffset: number;
  /**
   * Byte offset of a u32 in its value that is not 0 between start and end. Undefined: an entry goes with the end. None: an entry does not
   * say what is in flight.
   */
  readonly activeOffset: number | undefined | 'none';
  /** Byte offset in its value of when the span began, a u64 in ns of CLOCK_MONOTONIC. Undefined: an entry does not say. */
  readonly startOffset?: number;
  /**
   * Where the agent writes how many entries it has removed, as a u64: a map (a `.data.*` section is one) and the index in it. Undefined: no
   * program reads it.
   */
  readonly swept: { readonly map: string; readonly index: number } | undefined;
}

/** Kernel features that the programs of a definition need, and that some supported kernels lack. The names are those of native.d.ts. */
export type KernelNeed = 'bpfLoop';

/**
 * Definitions that share places. uspan attaches them to a binary as one. A place that several of them name gets one probe, with the program
 * of the group. That program finds out which definition a hit is for, and tail-calls its program. A point with a program of its own keeps
 * it. Each definition has an attachment id and a configuration, of the same struct. The cookies of all sites have the id of one of them,
 * and its configuration has the ids of the others.
 */
export interface AttachmentGroup {
  /** Definitions with the same name here are attached together. */
  readonly name: string;
  /** `build/bpf/<object>.bpf.o` of the program of the group. Like all objects, it shares maps with the others. */
  readonly object: string;
  readonly program: string;
  /**
   * Byte offset in the configuration of an array of u16. It has, by role, the attachment id of the definition with that role, or
   * FIELD_ABSENT.
   */
  readonly probesOffset: number;
}

/** A library with which a Go program makes spans itself. */
export interface Instrumentation {
  /** Its Go module. */
  readonly module: string;
  /** A program that uses it for these spans contains one of them. Undefined: they are all that it makes. */
  readonly functions?: readonly string[];
  /** The function that every program contains that starts the SDK behind it. */
  readonly sdk: string;
  /** Whether the SDK is OpenTelemetry's. If so, each process is looked at for signs that it runs: see processes/otel-sdk.ts. */
  readonly isOtel: boolean;
}

/** A library that uspan knows, as one value. */
export interface ProbeDefinition {
  /** e.g. `go/net/http/server`. */
  readonly name: string;
  readonly library: string;
  /** Versions it is tested with, for people. */
  readonly versions: string;
  /** Executables that it is for. For `native` and `any`, no skip is reported when a program lacks the library. */
  readonly runtime: Binary['runtime'] | 'any';
  /** Matches the file name of shared libraries that can also have it. Undefined: only executables can. */
  readonly libraries?: RegExp;
  /** What makes the same spans in a Go program itself. */
  readonly instrumentedBy?: readonly Instrumentation[];
  /** Whether it is a server on TCP, whose work shows by its connections too: see targets/never-hit.ts. */
  readonly servesTcp?: true;
  /** Hits that a usual span takes, for people. */
  readonly hitsPerSpan: number;
  /** `build/bpf/<object>.bpf.o`, its program, and its map of configurations (index: attachment id). */
  readonly object: string;
  readonly program: string;
  /** Used in place of `object` and `program` where a probe may sleep, and so can fault pages in (feature `copyFromUserStr`). */
  readonly sleepable?: { readonly object: string; readonly program: string };
  /** Undefined: only what uspan itself needs. */
  readonly needs?: readonly KernelNeed[];
  /** The group that it is attached with, and its number in the group, from 1, below NODE_PROBES. */
  readonly group?: AttachmentGroup & { readonly role: number };
  readonly configMap: string;
  readonly inFlight: readonly InFlight[];
  /** Entries of its maps for each request that may be in flight (`--max-in-flight`). */
  readonly entriesPerRequest: Readonly<Record<string, number>>;
  /** The same for its LRU maps. When they are full, the least used entry goes. */
  readonly lruEntriesPerRequest?: Readonly<Record<string, number>>;
  readonly points: readonly Point[];
  /** Kinds of its records, values of `enum uspan_event_kind` below 32. `write` gets no others. */
  readonly recordKinds: readonly number[];
  /** Whether the binary has the library at all. */
  matches(binary: Binary): boolean;
  constants(binary: Binary): Constants;
  /** Pure. Turns the record at byte offset `at`, of one of `recordKinds`, into a span, or says why not. */
  write(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written;
}

export type SkipReason =
  | 'library_absent'
  | 'symbol_missing'
  | 'field_missing'
  | 'no_cheap_site'
  | 'machine_untested'
  | 'kernel_feature'
  | 'code_moved'
  | 'already_instrumented';

export type Decision =
  | {
      readonly do: 'attach';
      readonly definition: ProbeDefinition;
      readonly binary: BinaryFacts;
      readonly sites: readonly Site[];
      readonly constants: Uint8Array;
      readonly entries: readonly MapEntry[];
      /** As in Constants. */
      readonly goBinary?: Uint8Array | undefined;
      readonly notes: readonly string[];
      /** The module that makes the same spans in processes whose OpenTelemetry SDK runs. These are left alone. */
      readonly instrumentedBy?: string | undefined;
    }
  | {
      readonly do: 'skip';
      readonly definition: ProbeDefinition;
      readonly binary: BinaryFacts;
      readonly reason: SkipReason;
      readonly detail: string;
    };
