import type { Notify } from '../contract/notify.ts';

export type { Notify };

/** Where spans or events were lost, why, and how many. */
export interface Loss {
  readonly stage: string;
  readonly reason: string;
  readonly count: number;
}

interface Counter {
  readonly stage: string;
  readonly reason: string;
  count: number;
  /** `count` when the current run of losses began. Undefined while nothing is being lost. */
  runFrom: number | undefined;
  seenAtLastCheck: number;
  /** Something of its stage was delivered since the last loss. */
  delivered: boolean;
}

/** Stages that say what they deliver. Without that, silence of theirs is no end of a run: perhaps there was nothing to lose. */
const deliveringStages: ReadonlySet<string> = new Set(['export']);

const defaultQuietMs = 5000;

/**
 * `uspan.lost{stage,reason}`: every place that drops data counts it here. It logs a run of losses once when it starts, and once, with its
 * count, after `quietMs` without another. A run of a stage that delivers ends only when it has delivered something again.
 */
export class Losses {
  /** In the order of their first loss. */
  readonly #counters: Counter[] = [];
  readonly #notify: Notify;
  readonly #quietMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(notify: Notify = () => {}, quietMs = defaultQuietMs) {
    this.#notify = notify;
    this.#quietMs = quietMs;
  }

  add(stage: string, reason: string, count: number): void {
    if (count <= 0) return;
    const counter = this.#counter(stage, reason);
    if (counter.runFrom === undefined) {
      counter.runFrom = counter.count;
      this.#notify('warn', 'losing spans', { stage, reason });
      this.#timer ??= setInterval(() => this.#check(), this.#quietMs).unref();
    }
    counter.count += count;
    counter.delivered = false;
  }

  /** Something of this stage arrived where it should. */
  delivered(stage: string): void {
    for (const counter of this.#counters) if (counter.stage === stage) counter.delivered = true;
  }

  snapshot(): Loss[] {
    return this.#counters.map(({ stage, reason, count }) => ({ stage, reason, count }));
  }

  total(): number {
    let total = 0;
    for (const { count } of this.#counters) total += count;
    return total;
  }

  /** Logs the counts of all runs that have not ended. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const counter of this.#counters) this.#endRun(counter, 'warn', 'lost spans until the end');
  }

  #check(): void {
    let open = false;
    for (const counter of this.#counters) {
      const isQuiet = counter.count === counter.seenAtLastCheck;
      const goesOn = deliveringStages.has(counter.stage) && !counter.delivered;
      if (isQuiet && !goesOn) this.#endRun(counter, 'info', 'no longer losing spans');
      else if (counter.runFrom !== undefined) open = true;
      counter.seenAtLastCheck = counter.count;
    }
    if (open) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #endRun(counter: Counter, level: 'info' | 'warn', message: string): void {
    if (counter.runFrom === undefined) return;
    const { stage, reason } = counter;
    this.#notify(level, message, { stage, reason, lost: counter.count - counter.runFrom });
    counter.runFrom = undefined;
  }

  #counter(stage: string, reason: string): Counter {
    // There are a dozen at most. A lost record must not cost a string.
    for (const counter of this.#counters) if (counter.reason === reason && counter.stage === stage) return counter;
    const counter = { stage, reason, count: 0, runFrom: undefined, seenAtLastCheck: 0, delivered: false };
    this.#counters.push(counter);
    return counter;
  }
}
