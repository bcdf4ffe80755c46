/** plan → attach: what is to be attached where, and why the rest is not. */
import type { Binary, BinaryFacts } from './binary.ts';
import type { Resource, Slab, SpanWriter } from './span.ts';

/**
 * How the kernel runs the instruction that a probe displaced: the classes that it emulates, by x86's names for them, at about 0.5 µs a hit;
 * `stepped` is single-stepped, at about 15 µs under virtualisation. On x86-64 (arch/x86/kernel/uprobes.c) they are what their names say,
 * `jcc` a conditional branch. AArch64 (arch/arm64/kernel/probes/decode-insn.c) has no `push`; there `jcc` is b.cond, cbz or tbz, `jmp` b,
 * `call` bl, and `nop` a hint.
 */
export type SiteClass = 'push' | 'jcc' | 'jmp' | 'call' | 'nop' | 'stepped';

export interface Site {
  readonly moment: number;
  /** The point's. */
  readonly momentName: string;
  readonly function: string;
  /** Link-time virtual address. */
  readonly address: number;
  readonly fileOffset: number;
  readonly class: SiteClass;
  /** The instruction as a disassembler prints it. */
  readonly instruction: string;
  /** Why this one, for `discover --explain`. */
  readonly why: string;
  /** What this site alone knows, for the program: upper half of its cookie, a u32. With a `MapEntry` for it, that one's index. */
  readonly spec?: number;
  /** File offset of the semaphore the kernel counts up while the site is attached (u16, `sys/sdt.h`). */
  readonly refCtrOffset?: number;
}

/** Where a moment of a span is in the program. */
export type Place =
  /** Entry of `function`, arguments still in registers. */
  | { readonly at: 'entry'; readonly function: string }
  /**
   * Where `function` of C or C++ begins, `arguments` (by their number, from 0) still in registers. A mangled C++ name ends where its
   * parameters begin, which compilers and versions spell differently.
   */
  | { readonly at: 'nativeEntry'; readonly function: string; readonly arguments: readonly number[] }
  /** The first cheap instruction that always runs after `function` called `callee`, or the first it calls of several, and it returned. */
  | { readonly at: 'afterCall'; readonly function: string; readonly callee: string | readonly string[] }
  /** The call of the first of `callees` that `function` calls; `behind`: in address order behind its call of that one. */
  | { readonly at: 'call'; readonly function: string; readonly callees: readonly string[]; readonly behind?: string }
  /**
   * The branch on what `callee` gave `function`, all results still in registers; `of: 'result'`: on what a method of the interface that
   * `callee` gave, gave in turn.
   */
  | {
      readonly at: 'resultBranch';
      readonly function: string;
      readonly callee: string;
      readonly of: 'callee' | 'result';
    }
  /**
   * The first cheap instruction on the way that `function` takes when `callee` gave true, or an error. Site.spec tells where the error is
   * by then: 0, in registers still; else the offsets from the stack pointer of its type (upper 16 bits) and data.
   */
  | {
      readonly at: 'resultPath';
      readonly function: string;
      readonly callee: string;
      readonly result: 'error' | 'true';
    }
  /** Every call of `callee` in `function`. */
  | { readonly at: 'calls'; readonly function: string; readonly callee: string }
  /** All of these that are in the binary, at least one: what compilers inline is in its callers, beside the function itself. */
  | { readonly at: 'any'; readonly places: readonly Place[] }
  /** Every site of a USDT probe. Their arguments are found by `Site.spec`: see src/probes/sites/argument-specs.ts. */
  | { readonly at: 'note'; readonly provider: string; readonly name: string };

export interface Point {
  /** Value of the definition's own `enum uspan_…_moment`, below MAX_MOMENTS. */
  readonly moment: number;
  /** `start`, `end`, `panic`: the moment for people. */
  readonly name: string;
  readonly place: Place;
  /** The BPF program that serves it, when it is not the definition's. */
  readonly program?: string;
  /** Whether the definition makes no sense without it; if not, the loss is named in the decision's notes. */
  readonly required: boolean;
  /** What is lost without it. */
  readonly purpose: string;
  /**
   * Calls that need it, by name. A call whose points are not all there is left out, with a note unless not even the function of its first
   * point is there: then the program makes no such calls. A point goes with the last call that needs it.
   */
  readonly calls?: readonly string[];
  /**
   * `address`: the `spec` of its sites is the low half of their link-time addresses. Taken from the instruction pointer, that leaves where the
   * binary is loaded, as programs and libraries are linked below 4 GiB.
   */
  readonly spec?: 'address';
}

/** What sites of a binary have in an array of their program's. It is written before the first site is attached. */
export interface MapEntry {
  readonly map: string;
  /** The `Site.spec` of the sites that it is for: their cookies have its index in the array in the place of that. */
  readonly spec: number;
  readonly value: Uint8Array;
}

/** The bytes of the per-binary configuration record, or the field that could not be found. */
export type Constants =
  | {
      readonly found: true;
      readonly bytes: Uint8Array;
      readonly notes: readonly string[];
      readonly entries?: readonly MapEntry[];
      /** `struct uspan_go_binary`, for definitions of Go libraries: the same for all of a binary. */
      readonly goBinary?: Uint8Array;
    }
  | { readonly found: false; readonly missing: string };

/** What became of a record: a span of some kind; nothing, because it contradicts itself; nothing, because it is the agent's own export to a traced collector. */
export type Written = 'server' | 'client' | 'internal' | 'malformed' | 'own_export';

/** A map of what has begun and not ended, so that what ended processes left in it can be swept out. */
export interface InFlight {
  readonly map: string;
  /** Byte offset of the pid (u32) in its key. */
  readonly pidOffset: number;
  /**
   * Byte offset of a u32 in its value that is not 0 between start and end; undefined: an entry goes with the end; none: an entry says nothing
   * of what has begun.
   */
  readonly activeOffset: number | undefined | 'none';
  /** Where the agent tells how many entries it has removed, a u64: a map (a `.data.*` section is one) and the index in it; undefined: nobody asks. */
  readonly swept: { readonly map: string; readonly index: number } | undefined;
}

/** What the programs of a definition cannot do without, and not every kernel that uspan runs on has: names of native.d.ts. */
export type KernelNeed = 'bpfLoop';

/**
 * Definitions that look at the same places. On a binary they are attached as one: a place that several name is probed once, by the program
 * of the group, which finds out whose a hit is and tail-calls that definition's program. A point with a program of its own is
 * attached to that one, as ever. Each definition has a probe id and a configuration, of the same struct. The cookies of all sites have the
 * id of one of them, in whose configuration the program of the group finds those of the others.
 */
export interface AttachmentGroup {
  /** Definitions with the same name are attached together. */
  readonly name: string;
  /** `build/bpf/<object>.bpf.o` of the program of the group. It shares its maps with the definitions' objects, as all objects do. */
  readonly object: string;
  readonly program: string;
  /** Byte offset in the configuration of an array of u16, by role: the probe id of the definition with that role, or FIELD_ABSENT. */
  readonly probesOffset: number;
}

/** A library uspan knows, as one value. */
export interface ProbeDefinition {
  /** e.g. `go/net/http/server`. */
  readonly name: string;
  readonly library: string;
  /** Versions it is tested with, for people. */
  readonly versions: string;
  /** Executables it is for. `native` and `any` ones are looked for in silence: no skip says that a program lacks them. */
  readonly runtime: Binary['runtime'] | 'any';
  /** Matches the file name of shared libraries that can have it too; undefined: executables only. */
  readonly libraries?: RegExp;
  /** Go modules whose presence says that the program makes such spans itself. */
  readonly instrumentedBy?: readonly string[];
  /** Hits that a usual span takes, for people. */
  readonly hitsPerSpan: number;
  /** `build/bpf/<object>.bpf.o`, its program and its configuration map (index: probe id; first field: u32 filter_by_process). */
  readonly object: string;
  readonly program: string;
  /** Used in place of `object` and `program` where a probe may sleep and so read memory that is not there yet (feature `copyFromUserStr`). */
  readonly sleepable?: { readonly object: string; readonly program: string };
  /** Undefined: nothing but what uspan itself needs. */
  readonly needs?: readonly KernelNeed[];
  /** Whom it is attached together with, and its number among them, from 1, below NODE_PROBES. */
  readonly group?: AttachmentGroup & { readonly role: number };
  readonly configMap: string;
  readonly inFlight: readonly InFlight[];
  /** Entries of its maps for each request that may be in flight at a time (`--max-in-flight`). */
  readonly entriesPerRequest: Readonly<Record<string, number>>;
  /** The same of its LRU maps: what is used least goes when they are full. */
  readonly lruEntriesPerRequest?: Readonly<Record<string, number>>;
  readonly points: readonly Point[];
  /** Kinds of its records, values of `enum uspan_event_kind` below 32: no other record is given to `write`. */
  readonly recordKinds: readonly number[];
  /** Whether the binary has the library at all. */
  matches(binary: Binary): boolean;
  constants(binary: Binary): Constants;
  /** Pure: turns the record at byte offset `at`, of one of `recordKinds`, into a span, or says why it is none. */
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
    }
  | {
      readonly do: 'skip';
      readonly definition: ProbeDefinition;
      readonly binary: BinaryFacts;
      readonly reason: SkipReason;
      readonly detail: string;
    };
