import { BufferPool } from './buffer-pool.ts';
import type { EncodedSpans } from './encoded-spans.ts';
import { ExportRequestBuilder, type Scope } from './export-request.ts';
import type { BatchSettings } from './export-settings.ts';
import type { Losses, Notify } from './losses.ts';
import { OtlpSpanWriter } from './otlp-span-writer.ts';
import type { OtlpTransport } from './otlp-transport.ts';

/** Why spans that reached the exporter did not reach the collector: `uspan.lost{stage="export"}`. */
export type ExportLossReason = 'queue_full' | 'rejected' | 'failed' | 'shutdown_timeout';

/** `accepted` is always `exported` + lost (without `queue_full`) + `queuedSpans`. */
export interface ExportState {
  /** Spans taken into the queue. */
  readonly accepted: number;
  /** Spans a collector took. */
  readonly exported: number;
  readonly lost: Readonly<Record<ExportLossReason, number>>;
  /** Spans waiting or being sent, without those of batches not handed over yet. */
  readonly queuedSpans: number;
  readonly queuedBytes: number;
  /** Requests sent, a retry counted again. */
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

const firstRetryMs = 1000;
const maxRetryMs = 5000;

/**
 * Queues finished batches and sends them, a few requests at a time. Full batches go at once, the rest every `scheduleDelayMs`.
 * Failed requests are retried with backoff until `exportTimeoutMs`. Nothing waits for the collector: when the queue has reached
 * its spans or bytes, new batches are dropped and counted.
 */
export class SpanExporter {
  /** Writes into this exporter. */
  readonly writer: OtlpSpanWriter;
  readonly #options: SpanExporterOptions;
  readonly #pool: BufferPool;
  readonly #builder: ExportRequestBuilder;
  readonly #timer: NodeJS.Timeout;
  readonly #stopping = new AbortController();
  readonly #lost: Record<ExportLossReason, number> = { queue_full: 0, rejected: 0, failed: 0, shutdown_timeout: 0 };
  #queue: EncodedSpans[] = [];
  #idleWaiters: (() => void)[] = [];
  #sending = 0;
  #failing = false;
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
    // Enough for the batches being filled, waiting and being sent while the collector keeps up.
    this.#pool = new BufferPool(Math.min(4 * maxBatchBytes, maxQueueBytes));
    this.#builder = new ExportRequestBuilder(options.scope, this.#pool);
    const limits = { maxBatchSpans, maxBatchBytes, maxOpenBytes: Math.min(4 * maxBatchBytes, maxQueueBytes) };
    this.writer = new OtlpSpanWriter((batch) => this.#enqueue(batch), limits, this.#pool);
    this.#timer = setInterval(() => this.writer.flush(), scheduleDelayMs).unref();
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
   * Flushes and closes; what is left after `withinMs` is counted as `shutdown_timeout`. Calling it again changes nothing.
   * @returns true if nothing was left
   */
  shutdown(withinMs: number): Promise<boolean> {
    this.#shutdown ??= this.#shutDown(withinMs);
    return this.#shutdown;
  }

  async #shutDown(withinMs: number): Promise<boolean> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    const drained = await this.flush(withinMs);
    this.#abandoned = true;
    this.#lose('shutdown_timeout', this.#queuedSpans);
    this.#queue = [];
    this.#queuedSpans = 0;
    this.#queuedBytes = 0;
    // Waits for running requests, which may take as long as their own timeout: nobody has to wait for that.
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
    while (this.#queue.length > 0 && this.#sending < this.#options.batch.maxConcurrentExports) {
      this.#sending++;
      void this.#export(this.#takeRequest()).finally(() => {
        this.#sending--;
        this.#sendNext();
        if (this.#sending === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
      });
    }
  }

  /** As many batches from the front as fit a request, at least one. */
  #takeRequest(): EncodedSpans[] {
    const { maxBatchSpans, maxBatchBytes } = this.#options.batch;
    let spans = 0;
    let bytes = 0;
    let count = 0;
    for (const batch of this.#queue) {
      spans += batch.spans;
      bytes += batch.bytes.length;
      if (count > 0 && (spans > maxBatchSpans || bytes > maxBatchBytes)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #export(batches: readonly EncodedSpans[]): Promise<void> {
    const { transport, batch: settings, notify } = this.#options;
    const request = this.#builder.build(batches);
    for (const { bytes } of batches) if (bytes.buffer !== request.bytes.buffer) this.#pool.give(bytes);
    const giveUpAt = performance.now() + settings.exportTimeoutMs;
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 1.5, maxRetryMs)) {
      this.#requests++;
      const result = await transport.send(request);
      if (this.#abandoned) return;
      if (result.outcome === 'sent') {
        if (this.#failing) notify('info', 'the collector takes spans again', {});
        this.#failing = false;
        this.#exported += request.spans - result.rejected;
        this.#lose('rejected', result.rejected);
        // Only now: a socket may still hold the bytes of a request that failed.
        this.#pool.give(request.bytes);
        break;
      }
      this.#failedRequests++;
      if (!this.#failing) notify('warn', 'cannot export spans', { error: result.error.message });
      this.#failing = true;
      const jitteredMs = waitMs * (0.8 + 0.4 * Math.random());
      if (!result.retry || performance.now() + jitteredMs > giveUpAt) {
        this.#lose('failed', request.spans);
        break;
      }
      await this.#pause(jitteredMs);
      if (this.#abandoned) return;
    }
    for (const batch of batches) {
      this.#queuedSpans -= batch.spans;
      this.#queuedBytes -= batch.bytes.buffer.byteLength;
    }
  }

  /** Waits `ms`; when a shutdown begins meanwhile, not longer than a moment, for there is little time left then. */
  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#stopping;
    const timer = setTimeout(resolve, signal.aborted ? Math.min(ms, 200) : ms);
    const stop = () => resolve();
    signal.addEventListener('abort', stop, { once: true });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }

  async #idle(withinMs: number): Promise<boolean> {
    if (this.#sending === 0 && this.#queue.length === 0) return true;
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
