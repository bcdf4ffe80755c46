import type { Resource } from '../contract/span.ts';
import type { BufferPool } from './buffer-pool.ts';
import { envelopeRoom, type SpanSink } from './encoded-spans.ts';

export interface OpenBatchLimits {
  /** A batch that has this many spans goes to the sink. */
  readonly maxBatchSpans: number;
  /** A batch never has more bytes, unless one span alone does. */
  readonly maxBatchBytes: number;
  /** Bytes of unfinished batches over all resources. Beyond it, all go to the sink. */
  readonly maxOpenBytes: number;
}

/** The unfinished batch of one resource: whole spans from `envelopeRoom.before` to `end`, and room after them. */
export interface OpenBatch {
  readonly resource: Resource;
  bytes: Uint8Array;
  /** Views of all of `bytes`, for whole words and for texts. They are kept here, because spans of several processes take turns. */
  view: DataView;
  buffer: Buffer;
  end: number;
  spans: number;
}

const firstBytes = 4096;

/** The unfinished batches, one for each resource, within limits. */
export class OpenBatches {
  readonly #sink: SpanSink;
  readonly #limits: OpenBatchLimits;
  readonly #pool: BufferPool;
  readonly #batches = new Map<Resource, OpenBatch>();
  /** Bytes that the last batch of a resource needed, because growing costs copies and page faults. */
  readonly #lastBytes = new WeakMap<Resource, number>();
  #current: OpenBatch | undefined;
  #openBytes = 0;

  constructor(sink: SpanSink, limits: OpenBatchLimits, pool: BufferPool) {
    this.#sink = sink;
    this.#limits = limits;
    this.#pool = pool;
  }

  of(resource: Resource): OpenBatch {
    const current = this.#current;
    if (current !== undefined && current.resource === resource) return current;
    this.#current = this.#batches.get(resource) ?? this.#open(resource);
    return this.#current;
  }

  /**
   * Takes a finished span that begins at `batch.end` of `out` and ends at `to`. `out` is `batch.bytes` or a grown copy; in that case the
   * old buffer goes back to the pool.
   */
  add(batch: OpenBatch, out: Uint8Array, to: number): void {
    const { maxBatchSpans, maxBatchBytes, maxOpenBytes } = this.#limits;
    const maxEnd = maxBatchBytes + envelopeRoom.before;
    if (to > maxEnd && batch.spans > 0) {
      // All spans before this one go, and it opens the next batch.
      const span = this.#copy(out, batch.end, to);
      if (out !== batch.bytes) this.#pool.give(out);
      this.#seal(batch);
      this.#replace(batch, span, envelopeRoom.before + to - batch.end, 1);
    } else {
      const before = batch.bytes;
      this.#replace(batch, out, to, batch.spans + 1);
      if (out !== before) this.#pool.give(before);
    }
    if (batch.spans >= maxBatchSpans || batch.end >= maxEnd) this.#close(batch);
    else if (this.#openBytes > maxOpenBytes) this.flush();
  }

  /** Hands every batch to the sink. */
  flush(): void {
    for (const batch of this.#batches.values()) if (batch.spans > 0) this.#seal(batch);
    this.#batches.clear();
    this.#openBytes = 0;
    this.#current = undefined;
  }

  #open(resource: Resource): OpenBatch {
    const bytes = this.#pool.take(this.#lastBytes.get(resource) ?? firstBytes);
    const batch = { resource, bytes, view: viewOf(bytes), buffer: bufferOf(bytes), end: envelopeRoom.before, spans: 0 };
    this.#batches.set(resource, batch);
    this.#openBytes += bytes.length;
    return batch;
  }

  #replace(batch: OpenBatch, bytes: Uint8Array, end: number, spans: number): void {
    this.#openBytes += bytes.length - batch.bytes.length;
    if (bytes !== batch.bytes) {
      batch.view = viewOf(bytes);
      batch.buffer = bufferOf(bytes);
    }
    batch.bytes = bytes;
    batch.end = end;
    batch.spans = spans;
  }

  #close(batch: OpenBatch): void {
    this.#batches.delete(batch.resource);
    this.#openBytes -= batch.bytes.length;
    this.#current = undefined;
    this.#seal(batch);
  }

  /** Gives the batch to the sink, without its spare room unless that is small. */
  #seal({ resource, bytes, end, spans }: OpenBatch): void {
    const { before, after } = envelopeRoom;
    this.#lastBytes.set(resource, Math.max(firstBytes, Math.ceil(end * 1.125)));
    let used = bytes;
    if ((end + after) * 2 < bytes.length) {
      used = this.#copy(bytes, before, end);
      this.#pool.give(bytes);
    }
    this.#sink({ resource, bytes: used.subarray(before, end), spans });
  }

  /** A buffer for [from, to) alone, with the spans at their usual offset. */
  #copy(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const { before, after } = envelopeRoom;
    const copy = this.#pool.take(before + to - from + after);
    copy.set(bytes.subarray(from, to), before);
    return copy;
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
