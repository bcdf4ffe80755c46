import type { Decision } from '../../contract/decision.ts';
import type { Link } from '../../native.ts';
import { ProcessLinks } from './process-links.ts';

export type AttachDecision = Extract<Decision, { do: 'attach' }>;

/** Decisions for one binary, with those of each group together, because they are attached as one. */
export function attachedTogether(decisions: readonly Decision[]): AttachDecision[][] {
  const attached = decisions.filter((decision) => decision.do === 'attach');
  return [...Map.groupBy(attached, ({ definition }) => definition.group?.name ?? definition).values()];
}

interface Owner {
  hits(moment: number): number;
  closed(): void;
}

/** A definition that is attached to a binary, with one link for each program, or with one for each program and process. */
export class Attachment {
  readonly decision: AttachDecision;
  readonly probeId: number;
  /** Undefined: it is attached to every process of the file at once. */
  readonly processLinks: ProcessLinks | undefined;
  readonly #links: readonly Link[];
  readonly #owner: Owner;
  #closing: Promise<void> | undefined;
  #finalHits: ReadonlyMap<number, number> | undefined;

  constructor(decision: AttachDecision, probeId: number, links: readonly Link[] | ProcessLinks, owner: Owner) {
    this.decision = decision;
    this.probeId = probeId;
    this.processLinks = links instanceof ProcessLinks ? links : undefined;
    this.#links = links instanceof ProcessLinks ? [] : links;
    this.#owner = owner;
  }

  /** `uprobe_multi`, or `perf` on kernels before 6.6. */
  get kind(): Link['kind'] {
    return this.processLinks?.kind ?? this.#links[0]!.kind;
  }

  /** The number of the kernel's links behind it. Members of a group share theirs, and each has the number of all. */
  get linkCount(): number {
    return this.processLinks?.count ?? this.#links.reduce((sum, { count }) => sum + count, 0);
  }

  /** How often the sites of a moment were hit. Still known after the detach. */
  hits(moment: number): number {
    return this.#finalHits?.get(moment) ?? this.#owner.hits(moment);
  }

  /** Detaches off the event loop, because the kernel takes some 50 ms for it. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await Promise.all([this.processLinks?.close(), ...this.#links.map((link) => link.close())]);
    } finally {
      this.#finalHits = new Map(this.decision.sites.map(({ moment }) => [moment, this.#owner.hits(moment)]));
      this.#owner.closed();
    }
  }
}
