/** plan → attach: what is to be attached where, and why the rest is not. */
import type { Binary } from './binary.ts';
import type { Resource, Slab, SpanWriter } from './span.ts';

/**
 * How the kernel runs the instruction a probe displaced. `push`, `jcc`, `jmp`, `call` and `nop` are emulated (about 0.5 µs a hit);
 * `stepped` is single-stepped (about 15 µs under virtualisation): arch/x86/kernel/uprobes.c, findings of the design.
 */
export type SiteClass = 'push' | 'jcc' | 'jmp' | 'call' | 'nop' | 'stepped';

export interface Site {
  /** Value of `enum uspan_moment`. */
  readonly moment: number;
  readonly function: string;
  /** Link-time virtual address. */
  readonly address: number;
  readonly fileOffset: number;
  readonly class: SiteClass;
  /** The instruction as a disassembler prints it. */
  readonly instruction: string;
  /** Why this one, for `discover --explain`. */
  readonly why: string;
}

/** Where a moment of a span is in the program. */
export type Place =
  /** Entry of `function`, arguments still in registers. */
  | { readonly at: 'entry'; readonly function: string }
  /** The first cheap instruction that always runs after `function` called `callee` and it returned. */
  | { readonly at: 'afterCall'; readonly function: string; readonly callee: string }
  /** The call of the first of `callees` that `function` calls. */
  | { readonly at: 'call'; readonly function: string; readonly callees: readonly string[] };

export interface Point {
  /** Value of `enum uspan_moment`. */
  readonly moment: number;
  readonly place: Place;
  /** Whether the definition makes no sense without it; if not, the loss is named in the decision's notes. */
  readonly required: boolean;
  /** What is lost without it. */
  readonly purpose: string;
}

/** The bytes of the per-binary configuration record, or the field that could not be found. */
export type Constants =
  | { readonly found: true; readonly bytes: Uint8Array; readonly notes: readonly string[] }
  | { readonly found: false; readonly missing: string };

/** What became of a record: a span; nothing, because it contradicts itself; nothing, because it is the agent's own export to a traced collector. */
export type Written = 'span' | 'malformed' | 'own_export';

/** A library uspan knows, as one value. */
export interface ProbeDefinition {
  /** e.g. `go/net/http/server`. */
  readonly name: string;
  readonly library: string;
  /** Versions it is tested with, for people. */
  readonly versions: string;
  readonly runtime: Binary['runtime'];
  /** Why a stepped site or an extra hit is worth it; empty when there is none. */
  readonly hitsPerSpan: number;
  /** `build/bpf/<object>.bpf.o`, its program and its configuration map (index: probe id). */
  readonly object: string;
  readonly program: string;
  readonly configMap: string;
  /** Value of `enum uspan_event_kind` of its records. */
  readonly eventKind: number;
  readonly points: readonly Point[];
  /** Whether the binary has the library at all. */
  matches(binary: Binary): boolean;
  constants(binary: Binary): Constants;
  /** Pure: turns the record at byte offset `at` into a span, or says why it is none. */
  write(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written;
}

export type SkipReason =
  | 'library_absent'
  | 'symbol_missing'
  | 'field_missing'
  | 'no_cheap_site'
  | 'machine_untested'
  | 'already_instrumented';

export type Decision =
  | {
      readonly do: 'attach';
      readonly definition: ProbeDefinition;
      readonly binary: Binary;
      readonly sites: readonly Site[];
      readonly constants: Uint8Array;
      readonly notes: readonly string[];
    }
  | {
      readonly do: 'skip';
      readonly definition: ProbeDefinition;
      readonly binary: Binary;
      readonly reason: SkipReason;
      readonly detail: string;
    };
