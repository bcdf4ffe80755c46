import type { BatchSettings } from '../contract/export-settings.ts';
import { BufferPool } from './buffer-pool.ts';
import { type EncodedSpans, envelopeRoom } from './encoded-spans.ts';
import { type ExportRequest, ExportRequestBuilder, type Scope } from './export-request.ts';
import type { Losses, Notify } from './losses.ts';
import { OtlpSpanWriter } from './otlp-span-writer.ts';
import type { OtlpTransport, SendResult } from './otlp-transport.ts';
import { PartialNotices } from './partial-notices.ts';
import { retryPauseMs } from './retry-pause.ts';
import { SendFailures } from './send-failures.ts';
import { splitRequest } from './split-request.ts';
import { withoutSecrets } from './without-secrets.ts';

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
  /** Values of headers, which the log must not show. */
  readonly secrets?: readonly string[];
  readonly scope: Scope;
  readonly batch: BatchSettings;
  readonly losses: Losses;
  readonly notify: Notify;
}

/** A request that is being sent, or waits to be sent again. */
interface Pending extends ExportRequest {
  /** Counts up. Of two that wait, the older one goes first. */
  readonly order: number;
  /** The parts of a request that was split have their orders within [order, order + width) of it. */
  readonly width: number;
  /** Its share of the queue's bytes. */
  readonly queuedBytes: number;
}

/** During a shutdown there is little time left, so no pause is longer. */
const maxPauseAtShutdownMs = 200;
/** Shortest pause after an attempt that took longer than its pause would. */
const minPauseMs = 200;
/** A request below this is not split: what refuses it does not mind its size. */
const minSplitBytes = 16_384;

/**
 * Queues finished batches and sends them, a few requests at a time. Full batches go at once, the rest every `scheduleDelayMs`.
 *
 * A request that failed for a reason that may pass goes again, after a pause and before all newer ones, for as long as it takes. Spans and
 * bytes bound the queue, never time. Nothing waits for the collector. When the queue is full, new batches are dropped and counted, so that
 * it keeps the beginning of an outage, without a gap. A request that is too large for the collector goes again in two parts.
 *
 * A span is counted as exported or as lost, never as both. Delivery is at least once: when the answer to a request is lost, or comes too
 * late, the request goes again, although the collector may have taken it.
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
  /** Requests that failed or were split, the oldest first. */
  #again: Pending[] = [];
  #idleWaiters: (() => void)[] = [];
  #order = 0;
  #sending = 0;
  /** Retryable failures in a row. While there are any, one request at a time is tried. */
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;
  #pauseEndsAt = 0;
  readonly #failureNotices: SendFailures;
  readonly #partialNotices: PartialNotices;
  /** Bytes of the smallest request that was too large for the collector. One of as many is split before it is sent. */
  #tooLargeBytes = Number.POSITIVE_INFINITY;
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
    const { endpoint } = options.transport;
    const clean = withoutSecrets(options.secrets ?? []);
    this.#failureNotices = new SendFailures(options.notify, endpoint, clean);
    this.#partialNotices = new PartialNotices(options.notify, endpoint, clean);
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
      if (request.bytes.length >= this.#tooLargeBytes && canSplit(request)) {
        this.#again.unshift(...halves(request));
        continue;
      }
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
    return { ...request, order: this.#order++, width: 1, queuedBytes };
  }

  async #send(request: Pending): Promise<void> {
    this.#requests++;
    const startedAt = performance.now();
    const result = await this.#options.transport.send(request);
    // The spans are already counted as lost.
    if (this.#abandoned) return;
    if (result.outcome === 'sent') this.#sent(request, result);
    else {
      this.#failedRequests++;
      this.#failureNotices.failed(result.failure);
      if (result.retry) this.#putBack(request, result, startedAt);
      else {
        this.#failures = 0;
        if (result.tooLarge && canSplit(request)) this.#split(request);
        else this.#refused(request);
      }
    }
  }

  #sent(request: Pending, result: Extract<SendResult, { outcome: 'sent' }>): void {
    this.#failures = 0;
    const rejected = Math.min(result.rejected, request.spans);
    const taken = request.spans - rejected;
    this.#leave(request);
    this.#exported += taken;
    this.#lose('rejected', rejected);
    this.#partialNotices.answered(rejected, result.message);
    if (taken > 0) {
      this.#failureNotices.delivered();
      this.#options.losses.delivered('export');
    }
    // Not before: a socket may still hold the bytes of a request that failed.
    this.#pool.give(request.bytes);
  }

  #refused(request: Pending): void {
    this.#leave(request);
    this.#lose('failed', request.spans);
  }

  #leave(request: Pending): void {
    this.#queuedSpans -= request.spans;
    this.#queuedBytes -= request.queuedBytes;
  }

  #split(request: Pending): void {
    this.#tooLargeBytes = Math.min(this.#tooLargeBytes, request.bytes.length);
    for (const half of halves(request)) this.#insert(half);
  }

  #insert(request: Pending): void {
    const at = this.#again.findIndex(({ order }) => order > request.order);
    this.#again.splice(at < 0 ? this.#again.length : at, 0, request);
  }

  /** The pause begins with the attempt, so that a connection which took long to fail does not make it longer. */
  #putBack(request: Pending, { retryAfterMs }: Extract<SendResult, { retry: true }>, startedAt: number): void {
    this.#insert(request);
    // Two that fail together count as one failure.
    if (this.#pause === undefined) this.#failures++;
    else if (retryAfterMs === undefined) return;
    const now = performance.now();
    const ms = retryPauseMs(this.#failures, retryAfterMs, Math.random());
    const wantedAt = retryAfterMs === undefined ? Math.max(startedAt + ms, now + minPauseMs) : now + ms;
    const endsAt = this.#stopping ? Math.min(wantedAt, now + maxPauseAtShutdownMs) : wantedAt;
    if (this.#pause === undefined || endsAt > this.#pauseEndsAt) this.#pauseUntil(endsAt);
  }

  #pauseUntil(endsAt: number): void {
    clearTimeout(this.#pause);
    this.#pauseEndsAt = endsAt;
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#sendNext();
      },
      Math.max(0, endsAt - performance.now()),
    );
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

function canSplit({ spans, bytes }: ExportRequest): boolean {
  return spans > 1 && bytes.length >= minSplitBytes;
}

function halves(request: Pending): Pending[] {
  const width = request.width / 2;
  return splitRequest(request).map((half, i) => ({
    ...half,
    order: request.order + i * width,
    width,
    queuedBytes:
      i === 0 ? request.queuedBytes - Math.floor(request.queuedBytes / 2) : Math.floor(request.queuedBytes / 2),
  }));
}
