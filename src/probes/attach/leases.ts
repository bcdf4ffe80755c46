import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { loadNative } from '../../native.ts';

/** Nobody else uses it here, and a process that does not handle it is not ended by it. */
const signal = 'SIGURG';

/**
 * Files that nobody can write to meanwhile. Who opens one for writing, or truncates it, waits until its lease is given back (fcntl(2),
 * F_SETLEASE). So probes can leave the file before its content changes.
 */
export class Leases {
  /** By descriptor: what to do when somebody waits. */
  readonly #onWanted = new Map<number, () => void>();
  readonly #onSignal = () => this.#check();
  #listening = false;

  /**
   * Takes over a descriptor that is open for reading, until giveBack(). False: there can be no lease, and the descriptor stays the caller's.
   * @param onWanted called once, when somebody waits for the file
   */
  take(fd: number, onWanted: () => void): boolean {
    if (!this.#listening) process.on(signal, this.#onSignal);
    this.#listening = true;
    if (!loadNative().takeReadLease(fd, constants.signals[signal])) return false;
    this.#onWanted.set(fd, onWanted);
    return true;
  }

  giveBack(fd: number): void {
    this.#onWanted.delete(fd);
    closeSync(fd);
  }

  #check(): void {
    for (const [fd, onWanted] of this.#onWanted) {
      if (loadNative().hasReadLease(fd)) continue;
      this.#onWanted.set(fd, () => {});
      onWanted();
    }
  }
}
