import type { Notify } from '../contract/notify.ts';
import { printable } from '../contract/printable.ts';

/** A collector that has something to say of every request is heard once in this time. */
const quietMs = 60_000;

/** Logs what a collector says of requests that it took, in whole or in part. */
export class PartialNotices {
  readonly #notify: Notify;
  readonly #endpoint: string;
  readonly #clean: (text: string) => string;
  #quietUntil = 0;

  /** @param clean removes what must not be in the log */
  constructor(notify: Notify, endpoint: string, clean: (text: string) => string) {
    this.#clean = clean;
    this.#notify = notify;
    this.#endpoint = endpoint;
  }

  answered(rejected: number, message: string): void {
    if (rejected === 0 && message === '') return;
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + quietMs;
    const code = rejected > 0 ? { code: 'E_EXPORT' } : {};
    const text = rejected > 0 ? 'the collector rejects spans' : 'the collector warns';
    this.#notify('warn', text, {
      ...code,
      endpoint: this.#endpoint,
      rejected,
      message: printable(this.#clean(message)),
    });
  }
}
