import { UspanError } from '../../contract/errors.ts';

/**
 * Hands out the numbers from 0 to `limit` - 1. It reuses a number that was given back as late as possible, because records with it may
 * still be in the ring.
 */
export class Numbers {
  readonly #limit: number;
  readonly #what: string;
  readonly #free: number[] = [];
  #next = 0;

  /** @param what the things of which there are no more than `limit`, for the error */
  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  /** @throws UspanError E_ATTACH if all are taken */
  take(path: string): number {
    if (this.#next < this.#limit) return this.#next++;
    const number = this.#free.shift();
    if (number !== undefined) return number;
    throw new UspanError('E_ATTACH', `no more than ${this.#limit} ${this.#what}`, {
      on: path,
      fix: 'Choose fewer targets with --exe, --pid or --port.',
    });
  }

  give(number: number): void {
    this.#free.push(number);
  }
}
