import type { Link } from '../../../native/native.d.ts';
import type { Decision } from '../../contract/decision.ts';

/** A definition attached to a binary: one link for all its sites. */
export class Attachment {
  readonly decision: Extract<Decision, { do: 'attach' }>;
  readonly probeId: number;
  readonly #link: Link;
  readonly #onClosed: () => void;
  #closing: Promise<void> | undefined;

  constructor(
    decision: Extract<Decision, { do: 'attach' }>,
    probeId: number,
    link: Link,
    onClosed: () => void,
  ) {
    this.decision = decision;
    this.probeId = probeId;
    this.#link = link;
    this.#onClosed = onClosed;
  }

  /** `uprobe_multi`, or `perf` on kernels before 6.6. */
  get kind(): Link['kind'] {
    return this.#link.kind;
  }

  /** Detaches, off the event loop: the kernel takes some 50 ms for it. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#link.close().finally(this.#onClosed);
    return this.#closing;
  }
}
