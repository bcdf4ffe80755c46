import type { Notify } from '../contract/notify.ts';
import { printable } from '../contract/printable.ts';
import type { SendFailure } from './otlp-transport.ts';

/** Other kinds of failures than these are not told. There are some twenty. */
const maxStatuses = 32;

/** Logs why export requests fail: once for each status, until the collector takes spans again. */
export class SendFailures {
  readonly #notify: Notify;
  readonly #endpoint: string;
  readonly #clean: (text: string) => string;
  readonly #told = new Set<string>();

  /** @param clean removes what must not be in the log */
  constructor(notify: Notify, endpoint: string, clean: (text: string) => string) {
    this.#clean = clean;
    this.#notify = notify;
    this.#endpoint = endpoint;
  }

  failed({ status, detail }: SendFailure): void {
    if (this.#told.has(status) || this.#told.size >= maxStatuses) return;
    this.#told.add(status);
    this.#notify('warn', 'cannot export spans', {
      code: 'E_EXPORT',
      endpoint: this.#endpoint,
      status,
      ...(detail && { detail: printable(this.#clean(detail)) }),
    });
  }

  /** The collector took at least one span. */
  delivered(): void {
    if (this.#told.size === 0) return;
    this.#told.clear();
    this.#notify('info', 'the collector takes spans again', { endpoint: this.#endpoint });
  }
}
