/** Oldest first: those with the lowest `sinceTrim`, the number of trims before it was given back. */
interface Idle {
  readonly buffer: ArrayBufferLike;
  readonly sinceTrim: number;
}

/**
 * Memory of sent batches, kept for the next ones. A fresh buffer of 2 MB costs 500 page faults, and the garbage of a few of them causes a
 * full collection. Give a buffer back only when nothing refers to it any more.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  #idle: Idle[] = [];
  #idleBytes = 0;
  #trims = 0;

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /**
   * A buffer of at least `minBytes` and at most twice as much, with any contents. The view covers its whole buffer. Of several that fit, it
   * is the last one given back, so that those beyond the need stay idle.
   */
  take(minBytes: number): Uint8Array {
    const at = this.#idle.findLastIndex(
      ({ buffer }) => buffer.byteLength >= minBytes && buffer.byteLength <= 2 * minBytes,
    );
    if (at < 0) return new Uint8Array(minBytes);
    const [idle] = this.#idle.splice(at, 1);
    this.#idleBytes -= idle!.buffer.byteLength;
    return new Uint8Array(idle!.buffer);
  }

  /** Takes back the whole buffer of `bytes`. Without room, it drops the oldest one. */
  give({ buffer }: Uint8Array): void {
    this.#idle.push({ buffer, sinceTrim: this.#trims });
    this.#idleBytes += buffer.byteLength;
    while (this.#idleBytes > this.#maxIdleBytes) this.#dropOldest();
  }

  /** Drops what has been idle since the last call. */
  trim(): void {
    while (this.#idle.length > 0 && this.#idle[0]!.sinceTrim < this.#trims) this.#dropOldest();
    this.#trims++;
  }

  #dropOldest(): void {
    this.#idleBytes -= this.#idle.shift()!.buffer.byteLength;
  }
}
