import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work in steps, each in its own turn of the event loop, so that draining, timers and sockets get theirs in between. */
export class Steps {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `step` after all steps before it. Rejects with what it throws. */
  run<T>(step: () => T): Promise<T> {
    const result = this.#last.then(() => nextTurn()).then(step);
    this.#last = result.catch(() => {});
    return result;
  }
}
