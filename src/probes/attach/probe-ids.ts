import { UspanError } from '../../contract/errors.ts';
import { Constant } from '../layout.gen.ts';

/**
 * Numbers for attachments, 0 to MAX_PROBES - 1. One that was given back is used again as late as can be, because records that bear it may
 * still be in the ring.
 */
export class ProbeIds {
  readonly #free: number[] = [];
  #next = 0;

  /** @throws UspanError E_ATTACH when all are taken */
  take(path: string): number {
    if (this.#next < Constant.MAX_PROBES) return this.#next++;
    const id = this.#free.shift();
    if (id !== undefined) return id;
    throw new UspanError('E_ATTACH', `no more than ${Constant.MAX_PROBES} definitions can be attached at a time`, {
      on: path,
      fix: 'Choose fewer targets with --exe, --pid or --port.',
    });
  }

  give(id: number): void {
    this.#free.push(id);
  }
}
