import type { SpanObject } from './span-object.ts';

export interface TraceGathererLimits {
  /** A trace is complete when no span came for this long. */
  readonly settleMs: number;
  /** Longest wait for more of a trace. */
  readonly maxWaitMs: number;
  readonly maxTraces: number;
  readonly maxSpansPerTrace: number;
}

export const defaultGathererLimits: TraceGathererLimits = {
  settleMs: 300,
  maxWaitMs: 3000,
  maxTraces: 500,
  maxSpansPerTrace: 500,
};

interface PendingTrace {
  readonly spans: SpanObject[];
  readonly firstAt: number;
  lastAt: number;
}

/** Gathers the spans of a trace for a short time and passes them on together. Past a limit, the oldest trace goes as it is. */
export class TraceGatherer {
  readonly #onTrace: (spans: readonly SpanObject[]) => void;
  readonly #limits: TraceGathererLimits;
  /** By trace id, oldest first. */
  readonly #pending = new Map<string, PendingTrace>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onTrace: (spans: readonly SpanObject[]) => void, limits = defaultGathererLimits) {
    this.#onTrace = onTrace;
    this.#limits = limits;
  }

  add(span: SpanObject): void {
    const now = performance.now();
    const trace = this.#pending.get(span.traceId);
    if (trace) {
      trace.spans.push(span);
      trace.lastAt = now;
      if (trace.spans.length >= this.#limits.maxSpansPerTrace) this.#give(span.traceId, trace);
      return;
    }
    this.#pending.set(span.traceId, { spans: [span], firstAt: now, lastAt: now });
    if (this.#pending.size > this.#limits.maxTraces) this.#giveOldest();
    this.#timer ??= setInterval(() => this.#check(), this.#limits.settleMs / 3).unref();
  }

  /** Passes everything on now. */
  flush(): void {
    while (this.#pending.size > 0) this.#giveOldest();
    this.#stop();
  }

  #check(): void {
    const { settleMs, maxWaitMs } = this.#limits;
    const now = performance.now();
    for (const [traceId, trace] of this.#pending) {
      if (now - trace.lastAt >= settleMs || now - trace.firstAt >= maxWaitMs) this.#give(traceId, trace);
    }
    if (this.#pending.size === 0) this.#stop();
  }

  #giveOldest(): void {
    for (const [traceId, trace] of this.#pending) {
      this.#give(traceId, trace);
      return;
    }
  }

  #give(traceId: string, trace: PendingTrace): void {
    this.#pending.delete(traceId);
    this.#onTrace(trace.spans);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
