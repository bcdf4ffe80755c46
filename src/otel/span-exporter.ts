import type { BatchSettings } from '../contract/export-settings.ts';
import { BufferPool } from './buffer-pool.ts';
import { type EncodedSpans, envelopeRoom } from './encoded-spans.ts';
import { type ExportRequest, ExportRequestBuilder, type Scope } from './export-request.ts';
import type { Losses, Notify } from './losses.ts';
import { OtlpSpanWriter } from './otlp-span-writer.ts';
import type { OtlpTransport, SendResult } from './otlp-transport.ts';
import { retryPauseMs } from './retry-pause.ts';

/** Why spans that reached the exporter did not reach the collector: `uspan.lost{stage="export"}`. */
export type ExportLossReason = 'queue_full' | 'rejected' | 'failed' | 'shutdown_timeout';

/** `accepted` is always `exported` + lost (without `queue_full`) + `queuedSpans`. */
export interface ExportState {
  /** Spans that the queue accepted. */
  readonly accepted: number;
  /** Spans that a collector took. */
  readonly exported: number;
  readonly lost: Readonly<Record<ExportLossReason, number>>;
  /** Spans that wait or are being sent, without those of batches that are not handed over yet. */
  readonly queuedSpans: number;
  readonly queuedBytes: number;
  /** Requests sent. A retry counts again. */
  readonly requests: number;
  readonly failedRequests: number;
}

export interface SpanExporterOptions {
  readonly transport: OtlpTransport;
  readonly scope: Scope;
  readonly batch: BatchSettings;
  readonly losses: Losses;
  readonly notify: Notify;
}

/** A request that is being sent, or waits to be sent again. */
interface Pending extends ExportRequest {
  /** Counts up. Of two that wait, the older one goes first. */
  readonly order: number;
  /** Its share of the queue's bytes. */
  readonly queuedBytes: number;
}

/** During a shutdown there is little time left, so no pause is longer. */
const maxPauseAtShutdownMs = 200;

/**
 * Queues finished batches and sends them, a few requests at a time. Full batches go at once, the rest every `scheduleDelayMs`.
 *
 * A request that failed for a reason that may pass goes again, after a pause and before all newer ones, for as long as it takes. Spans and
 * bytes bound the queue, never time. Nothing waits for the collector. When the queue is full, new batches are dropped and counted, so that
 * it keeps the beginning of an outage, without a gap.
 */
export class SpanExporter {
  /** Writes into this exporter. */
  readonly writer: OtlpSpanWriter;
  readonly #options: SpanExporterOptions;
  readonly #pool: BufferPool;
  readonly #builder: ExportRequestBuilder;
  readonly #timer: NodeJS.Timeout;
  readonly #lost: Record<ExportLossReason, number> = { queue_full: 0, rejected: 0, failed: 0, shutdown_timeout: 0 };
  #queue: EncodedSpans[] = [];
  /** Requests that failed, the oldest first. There are never more than are sent at a time. */
  #again: Pending[] = [];
  #idleWaiters: (() => void)[] = [];
  #order = 0;
  #sending = 0;
  /** Retryable failures in a row. While there are any, one request at a time is tried. */
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;
  #pauseEndsAt = 0;
  #failing = false;
  #stopping = false;
  #abandoned = false;
  #accepted = 0;
  #exported = 0;
  #queuedSpans = 0;
  #queuedBytes = 0;
  #requests = 0;
  #failedRequests = 0;
  #shutdown: Promise<boolean> | undefined;

  constructor(options: SpanExporterOptions) {
    const { maxBatchSpans, maxBatchBytes, maxQueueBytes, scheduleDelayMs } = options.batch;
    this.#options = options;
    // Enough for the batches that are being filled and sent while the collector keeps up.
    const maxOpenBytes = Math.min(3 * maxBatchBytes, maxQueueBytes);
    this.#pool = new BufferPool(maxOpenBytes);
    this.#builder = new ExportRequestBuilder(options.scope, this.#pool);
    const limits = { maxBatchSpans, maxBatchBytes, maxOpenBytes };
    this.writer = new OtlpSpanWriter((batch) => this.#enqueue(batch), limits, this.#pool);
    const tick = () => {
      this.writer.flush();
      this.#pool.trim();
    };
    this.#timer = setInterval(tick, scheduleDelayMs).unref();
  }

  state(): ExportState {
    return {
      accepted: this.#accepted,
      exported: this.#exported,
      lost: { ...this.#lost },
      queuedSpans: this.#queuedSpans,
      queuedBytes: this.#queuedBytes,
      requests: this.#requests,
      failedRequests: this.#failedRequests,
    };
  }

  /** Sends what is there. True when all of it has left (or was counted as lost), false after `withinMs`. */
  async flush(withinMs: number): Promise<boolean> {
    this.writer.flush();
    return this.#idle(withinMs);
  }

  /**
   * Flushes and closes. What is left after `withinMs` is counted as `shutdown_timeout`. Another call changes nothing.
   * @returns true if nothing was left
   */
  shutdown(withinMs: number): Promise<boolean> {
    this.#shutdown ??= this.#shutDown(withinMs);
    return this.#shutdown;
  }

  async #shutDown(withinMs: number): Promise<boolean> {
    clearInterval(this.#timer);
    this.#stopping = true;
    if (this.#pause !== undefined) this.#pauseUntil(performance.now());
    const drained = await this.flush(withinMs);
    this.#abandoned = true;
    clearTimeout(this.#pause);
    this.#lose('shutdown_timeout', this.#queuedSpans);
    this.#queue = [];
    this.#again = [];
    this.#queuedSpans = 0;
    this.#queuedBytes = 0;
    // It waits for running requests, which may take as long as their own timeout. Callers need not wait for that.
    const closed = this.#options.transport.close().catch(() => {});
    if (drained) await closed;
    return drained;
  }

  #enqueue(batch: EncodedSpans): void {
    const { maxQueueSpans, maxQueueBytes } = this.#options.batch;
    if (
      this.#abandoned ||
      this.#queuedSpans + batch.spans > maxQueueSpans ||
      this.#queuedBytes + batch.bytes.buffer.byteLength > maxQueueBytes
    ) {
      this.#lose(this.#abandoned ? 'shutdown_timeout' : 'queue_full', batch.spans);
      return;
    }
    this.#accepted += batch.spans;
    this.#queuedSpans += batch.spans;
    this.#queuedBytes += batch.bytes.buffer.byteLength;
    this.#queue.push(batch);
    // In a microtask, so that the batches of one flush share a request.
    if (this.#queue.length === 1) queueMicrotask(() => this.#sendNext());
  }

  #sendNext(): void {
    const atATime = this.#failures > 0 ? 1 : this.#options.batch.maxConcurrentExports;
    while (this.#pause === undefined && this.#sending < atATime && !this.#abandoned) {
      const request = this.#again.shift() ?? this.#nextRequest();
      if (request === undefined) break;
      this.#sending++;
      void this.#send(request).finally(() => {
        this.#sending--;
        this.#sendNext();
        if (this.#isIdle()) for (const wake of this.#idleWaiters.splice(0)) wake();
      });
    }
  }

  /** As many batches from the front as fit into a request, at least one. */
  #nextRequest(): Pending | undefined {
    const { maxBatchSpans, maxBatchBytes } = this.#options.batch;
    let spans = 0;
    let bytes = 0;
    let queuedBytes = 0;
    let count = 0;
    for (const batch of this.#queue) {
      spans += batch.spans;
      // Each brings a resource and a scope of its own.
      bytes += batch.bytes.length + (count > 0 ? envelopeRoom.before : 0);
      if (count > 0 && (spans > maxBatchSpans || bytes > maxBatchBytes)) break;
      queuedBytes += batch.bytes.buffer.byteLength;
      count++;
    }
    if (count === 0) return undefined;
    const batches = this.#queue.splice(0, count);
    const request = this.#builder.build(batches);
    for (const batch of batches) if (batch.bytes.buffer !== request.bytes.buffer) this.#pool.give(batch.bytes);
    return { ...request, order: this.#order++, queuedBytes };
  }

  async #send(request: Pending): Promise<void> {
    this.#requests++;
    const result = await this.#options.transport.send(request);
    if (this.#abandoned) return;
    if (result.outcome === 'failed' && result.retry) {
      this.#failed(result.error);
      this.#putBack(request, result);
      return;
    }
    this.#failures = 0;
    this.#queuedSpans -= request.spans;
    this.#queuedBytes -= request.queuedBytes;
    if (result.outcome === 'failed') {
      this.#failed(result.error);
      this.#lose('failed', request.spans);
      return;
    }
    if (this.#failing) this.#options.notify('info', 'the collector takes spans again', {});
    this.#failing = false;
    const rejected = Math.min(result.rejected, request.spans);
    this.#exported += request.spans - rejected;
    this.#lose('rejected', rejected);
    // Not before: a socket may still hold the bytes of a request that failed.
    this.#pool.give(request.bytes);
  }

  #failed(error: Error): void {
    this.#failedRequests++;
    if (!this.#failing) this.#options.notify('warn', 'cannot export spans', { error: error.message });
    this.#failing = true;
  }

  #putBack(request: Pending, { retryAfterMs }: Extract<SendResult, { retry: true }>): void {
    const at = this.#again.findIndex(({ order }) => order > request.order);
    this.#again.splice(at < 0 ? this.#again.length : at, 0, request);
    // Two that fail together count as one failure.
    if (this.#pause === undefined) this.#failures++;
    else if (retryAfterMs === undefined) return;
    const ms = retryPauseMs(this.#failures, retryAfterMs, Math.random());
    const endsAt = performance.now() + (this.#stopping ? Math.min(ms, maxPauseAtShutdownMs) : ms);
    if (this.#pause === undefined || endsAt > this.#pauseEndsAt) this.#pauseUntil(endsAt);
  }

  #pauseUntil(endsAt: number): void {
    clearTimeout(this.#pause);
    this.#pauseEndsAt = endsAt;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#sendNext();
    }, endsAt - performance.now());
  }

  #isIdle(): boolean {
    return this.#sending === 0 && this.#queue.length === 0 && this.#again.length === 0;
  }

  async #idle(withinMs: number): Promise<boolean> {
    if (this.#isIdle()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), withinMs);
    this.#idleWaiters.push(() => resolve(true));
    const idle = await promise;
    clearTimeout(timer);
    return idle;
  }

  #lose(reason: ExportLossReason, spans: number): void {
    this.#lost[reason] += spans;
    this.#options.losses.add('export', reason, spans);
  }
}
