/**
 * Memory of sent batches, kept for the next ones. A fresh buffer of 2 MB costs 500 page faults, and the garbage of a few of them a full
 * collection. Give back only what nothing refers to any more.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  #idle: ArrayBufferLike[] = [];
  #idleBytes = 0;

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** At least `minBytes` and at most twice as much, with any contents; the view covers its whole buffer. */
  take(minBytes: number): Uint8Array {
    const at = this.#idle.findIndex((idle) => idle.byteLength >= minBytes && idle.byteLength <= 2 * minBytes);
    if (at < 0) return new Uint8Array(minBytes);
    const [buffer] = this.#idle.splice(at, 1);
    this.#idleBytes -= buffer!.byteLength;
    return new Uint8Array(buffer!);
  }

  /** Takes back the whole buffer of `bytes`. When there is no room, what was given first is let go. */
  give({ buffer }: Uint8Array): void {
    this.#idle.push(buffer);
    this.#idleBytes += buffer.byteLength;
    while (this.#idleBytes > this.#maxIdleBytes) this.#idleBytes -= this.#idle.shift()!.byteLength;
  }
}
