import { describeError } from './contract/errors.ts';
import type { Notify } from './contract/notify.ts';

export interface GuardOptions {
  readonly lose: (stage: string, reason: string, count: number) => void;
  readonly notify: Notify;
}

/**
 * Runs the callbacks of timers and events. An exception in one of them costs only what that call was about. It is counted, is logged the
 * first time for each kind of callback, and never ends the agent.
 */
export class Guard {
  readonly #options: GuardOptions;
  readonly #told = new Set<string>();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** @param what the work, for people: `a look at a new process` */
  run(what: string, callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.failed(what, error);
    }
  }

  /** Runs work that nothing waits for. It always resolves. */
  async settle(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failed(what, error);
    }
  }

  failed(what: string, error: unknown): void {
    const { lose, notify } = this.#options;
    lose('agent', 'callback_failed', 1);
    if (this.#told.has(what)) return;
    this.#told.add(what);
    const where = error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined;
    notify('warn', 'an unexpected error; going on', {
      during: what,
      error: describeError(error),
      ...(where === undefined ? {} : { where }),
    });
  }
}
