import type { ProbeDefinition } from '../contract/decision.ts';
import type { Resource, Slab, SpanWriter } from '../contract/span.ts';
import { decode } from './decode.ts';
import { EventHead } from './layout.gen.ts';

export interface CorrelatorOptions {
  readonly definitions: readonly ProbeDefinition[];
  /** The resource of a process, also one that has ended, whose span came from an attached probe; undefined if nobody knows it. */
  readonly resourceOf: (pid: number, probeId: number) => Resource | undefined;
  readonly writer: SpanWriter;
  /** `stage` is `decode` or `correlate`. */
  readonly lose: (stage: string, reason: string, count: number) => void;
}

/** Joins drained records with what only user space knows, their process, and has their definition write them as spans. */
export class Correlator {
  readonly #options: CorrelatorOptions;
  readonly #definitions: (ProbeDefinition | undefined)[] = [];
  readonly #spansByKind: number[] = [];
  #ownExports = 0;

  constructor(options: CorrelatorOptions) {
    this.#options = options;
    for (const definition of options.definitions) {
      this.#definitions[definition.eventKind] = definition;
      this.#spansByKind[definition.eventKind] = 0;
    }
  }

  /** Writes every record in the first `length` bytes of `slab`. */
  write(slab: Slab, length: number): void {
    const { resourceOf, writer, lose } = this.#options;
    const rest = decode(slab, length, (at, kind, pid) => {
      const definition = this.#definitions[kind];
      if (!definition) return lose('decode', 'unknown_kind', 1);
      const resource = resourceOf(pid, slab.words[(at + EventHead.probeId) >> 2]! >>> 16);
      if (!resource) return lose('correlate', 'unknown_process', 1);
      const written = definition.write(slab, at, resource, writer);
      if (written === 'span') this.#spansByKind[kind]!++;
      else if (written === 'malformed') lose('decode', 'malformed_record', 1);
      else this.#ownExports++;
    });
    if (rest > 0) lose('decode', 'malformed_record', 1);
  }

  /** Requests of this agent's own export that a traced collector served; they are no spans and no loss. */
  get ownExports(): number {
    return this.#ownExports;
  }

  /** Spans written so far by `enum uspan_event_kind`. */
  spans(kind: number): number {
    return this.#spansByKind[kind] ?? 0;
  }
}
