import type { ProbeDefinition, Written } from '../contract/decision.ts';
import type { Resource, Slab, SpanWriter } from '../contract/span.ts';
import { decode } from './decode.ts';

/** Spans by OTLP kind. */
export type SpanCounts = Readonly<Record<'server' | 'client' | 'internal', number>>;

export interface CorrelatorOptions {
  /** The definition whose attachment made a record. */
  readonly definitionOf: (probeId: number) => ProbeDefinition | undefined;
  /** The resource of a process, also one that has ended, whose span came from an attached probe; undefined if nobody knows it. */
  readonly resourceOf: (pid: number, probeId: number) => Resource | undefined;
  readonly writer: SpanWriter;
  /** `stage` is `decode` or `correlate`. */
  readonly lose: (stage: string, reason: string, count: number) => void;
}

/** Joins drained records with what only user space knows, their process, and has their definition write them as spans. */
export class Correlator {
  readonly #options: CorrelatorOptions;
  readonly #counts: Record<Written, number> = { server: 0, client: 0, internal: 0, malformed: 0, own_export: 0 };

  constructor(options: CorrelatorOptions) {
    this.#options = options;
  }

  /** Writes every record in the first `length` bytes of `slab`. */
  write(slab: Slab, length: number): void {
    const { definitionOf, resourceOf, writer, lose } = this.#options;
    const rest = decode(slab, length, (at, pid, probeId) => {
      const definition = definitionOf(probeId);
      if (!definition) return lose('decode', 'unknown_probe', 1);
      const resource = resourceOf(pid, probeId);
      if (!resource) return lose('correlate', 'unknown_process', 1);
      const written = definition.write(slab, at, resource, writer);
      this.#counts[written]++;
      if (written === 'malformed') lose('decode', 'malformed_record', 1);
    });
    if (rest > 0) lose('decode', 'malformed_record', 1);
  }

  /** Requests of this agent's own export that a traced collector served; they are no spans and no loss. */
  get ownExports(): number {
    return this.#counts.own_export;
  }

  /** Spans written so far, by OTLP kind. */
  get spans(): SpanCounts {
    const { server, client, internal } = this.#counts;
    return { server, client, internal };
  }
}
