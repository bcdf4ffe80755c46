import type { BinaryFacts } from '../contract/binary.ts';
import type { ProbeDefinition } from '../contract/decision.ts';

/**
 * What each attachment id stands for. Attaching writes it, and correlate reads it. After a detach an id keeps its meaning until it is used
 * again, because its last records may still be in the ring.
 */
export class ProbeTable {
  readonly #definitions: ProbeDefinition[] = [];
  readonly #binaries: BinaryFacts[] = [];
  /** Bit K is set where the definition makes records of kind K. */
  readonly #kinds: number[] = [];

  set(id: number, definition: ProbeDefinition, binary: BinaryFacts): void {
    this.#definitions[id] = definition;
    this.#binaries[id] = binary;
    this.#kinds[id] = definition.recordKinds.reduce((mask, kind) => mask | (1 << kind), 0);
  }

  /** The definition whose attachment has, or last had, this id. */
  definitionOf(id: number): ProbeDefinition | undefined {
    return this.#definitions[id];
  }

  /** The file that it is, or last was, attached to. */
  binaryOf(id: number): BinaryFacts | undefined {
    return this.#binaries[id];
  }

  /** Whether its definition makes records of this kind (`enum uspan_event_kind`, a u16 from a record). */
  makes(id: number, kind: number): boolean {
    return kind < 32 && (this.#kinds[id]! & (1 << kind)) !== 0;
  }
}
