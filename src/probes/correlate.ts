import type { ProbeDefinition, Written } from '../contract/decision.ts';
import type { Slab, SpanWriter } from '../contract/span.ts';
import { decode, type RecordHandler } from './decode.ts';
import { EventHead, SpanHead } from './layout.gen.ts';
import type { ProbeTable } from './probe-table.ts';
import { otherProcess, type ProcessTable, unknownProgram } from './process-table.ts';

/** Spans by OTLP kind. */
export type SpanCounts = Readonly<Record<'server' | 'client' | 'internal', number>>;

export interface CorrelatorOptions {
  readonly probes: ProbeTable;
  readonly processes: Pick<ProcessTable, 'resourceOf'>;
  readonly writer: SpanWriter;
  /** `stage` is `decode` or `correlate`. */
  readonly lose: (stage: string, reason: string, count: number) => void;
  /** Called for the first exception of each definition. All of them are counted. */
  readonly onWriteError: (definition: ProbeDefinition, error: unknown) => void;
}

/** Joins drained records with their process, which only user space knows, and lets their definition write them as spans. */
export class Correlator {
  readonly #options: CorrelatorOptions;
  readonly #counts: Record<Written, number> = { server: 0, client: 0, internal: 0, malformed: 0, own_export: 0 };
  readonly #threw = new Set<ProbeDefinition>();
  /** One function for all records. */
  readonly #handle: RecordHandler = (at, pid, probeId) => this.#record(at, pid, probeId);
  #slab: Slab = { bytes: new Uint8Array(0), words: new Uint32Array(0) };
  #otherProcesses = 0;
  #records = 0;

  constructor(options: CorrelatorOptions) {
    this.#options = options;
  }

  /** Writes every record in the first `length` bytes of `slab`. Never throws for the content of a record. */
  write(slab: Slab, length: number): void {
    this.#slab = slab;
    const rest = decode(slab, length, this.#handle);
    if (rest > 0) this.#options.lose('decode', 'malformed_record', 1);
  }

  /** Records met so far, whatever became of them. */
  get records(): number {
    return this.#records;
  }

  /** The agent's own export requests that a traced collector served. They are neither spans nor losses. */
  get ownExports(): number {
    return this.#counts.own_export;
  }

  /** Records of processes that run a traced file but that no rule selects. They are neither spans nor losses. */
  get otherProcesses(): number {
    return this.#otherProcesses;
  }

  /** Spans written so far, by OTLP kind. */
  get spans(): SpanCounts {
    const { server, client, internal } = this.#counts;
    return { server, client, internal };
  }

  #record(at: number, pid: number, probeId: number): void {
    const { probes, lose, onWriteError } = this.#options;
    this.#records++;
    const definition = probes.definitionOf(probeId);
    const kind = this.#slab.words[(at + EventHead.kind) >> 2]! & 0xffff;
    if (!definition) lose('decode', 'unknown_probe', 1);
    // Another definition may have got the id since.
    else if (!probes.makes(probeId, kind)) lose('decode', 'wrong_kind', 1);
    else {
      try {
        this.#write(definition, at, pid, probeId);
      } catch (error) {
        // The writer's next begin() drops a span that began and did not end.
        lose('decode', 'write_failed', 1);
        if (!this.#threw.has(definition)) onWriteError(definition, error);
        this.#threw.add(definition);
      }
    }
  }

  #write(definition: ProbeDefinition, at: number, pid: number, probeId: number): void {
    const { processes, writer, lose } = this.#options;
    const { words } = this.#slab;
    if (words[(at + EventHead.len) >> 2]! < SpanHead.size) {
      this.#counts.malformed++;
      lose('decode', 'malformed_record', 1);
      return;
    }
    const startNs = nsAt(words, at + SpanHead.startKtimeNs);
    const resource = processes.resourceOf(pid, probeId, startNs, nsAt(words, at + EventHead.ktimeNs));
    if (!resource) lose('correlate', 'unknown_process', 1);
    else if (resource === unknownProgram) lose('correlate', 'unknown_program', 1);
    else if (resource === otherProcess) this.#otherProcesses++;
    else {
      const written = definition.write(this.#slab, at, resource, writer);
      this.#counts[written]++;
      if (written === 'malformed') lose('decode', 'malformed_record', 1);
    }
  }
}

/** A u64 as a number. It is exact for 104 days after boot, and to 64 ns for ten years. */
function nsAt(words: Uint32Array, at: number): number {
  return words[(at >> 2) + 1]! * 2 ** 32 + words[at >> 2]!;
}
