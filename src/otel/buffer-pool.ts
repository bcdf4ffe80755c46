/**
 * Memory of sent batches, kept for the next ones. A fresh buffer of 2 MB costs 500 page faults, and the garbage of a few of them causes a
 * full collection. Give a buffer back only when nothing refers to it any more.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  #idle: ArrayBufferLike[] = [];
  #idleBytes = 0;

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** A buffer of at least `minBytes` and at most twice as much, with any contents. The view covers its whole buffer. */
  take(minBytes: number): Uint8Array {
    const at = this.#idle.findIndex((idle) => idle.byteLength >= minBytes && idle.byteLength <= 2 * minBytes);
    if (at < 0) return new Uint8Array(minBytes);
    const [buffer] = this.#idle.splice(at, 1);
    this.#idleBytes -= buffer!.byteLength;
    return new Uint8Array(buffer!);
  }

  /** Takes back the whole buffer of `bytes`. Without room, it drops the oldest one. */
  give({ buffer }: Uint8Array): void {
    this.#idle.push(buffer);
    this.#idleBytes += buffer.byteLength;
    while (this.#idleBytes > this.#maxIdleBytes) this.#idleBytes -= this.#idle.shift()!.byteLength;
  }
}
