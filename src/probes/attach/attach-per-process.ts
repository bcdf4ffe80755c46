import { closeSync, openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { UspanError } from '../../contract/errors.ts';
import type { Attachment } from './attachment.ts';
import { mendSemaphores } from './mend-semaphores.ts';
import { settledLoadAddress } from './settled-load-address.ts';

export interface AttachPerProcessOptions {
  readonly attachments: readonly Attachment[];
  /** Runs a piece of work that blocks for some milliseconds, when it is its turn. */
  readonly step: (work: () => void) => Promise<void>;
  /** A process has links of its own, or has lost them. */
  readonly followForks: (pid: number, isFollowed: boolean) => void;
  readonly failed: (attachment: Attachment, error: unknown) => void;
}

/** Loaders protect RELRO before the program's own code begins. That can take seconds on a busy host, or for hundreds of libraries. */
const pausesMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/**
 * Attaches a file to one process after the other, because the kernel would miscount its semaphores: see src/discovery/usdt/semaphore.ts. Each
 * process gets its probes as soon as the kernel counts right.
 */
export class AttachPerProcess {
  readonly #options: AttachPerProcessOptions;
  readonly #sites;
  readonly #added = new Map<number, { readonly path: string }>();
  readonly #work = new Map<number, Promise<void>>();
  readonly #file: number;
  #closing: Promise<void> | undefined;

  /** @param path leads to the file, now */
  constructor(path: string, options: AttachPerProcessOptions) {
    this.#file = openSync(path, 'r');
    this.#options = options;
    this.#sites = options.attachments.flatMap(({ decision }) => decision.sites);
  }

  /** Resolves when the process has its probes, or cannot have them. `path` is the file's as the process sees it. */
  add(pid: number, path: string): Promise<void> {
    if (this.#closing) return Promise.resolve();
    const process = { path };
    this.#added.set(pid, process);
    return this.#inTurn(pid, async () => {
      const loadedAt = await this.#settled(pid, path, () => this.#added.get(pid) === process);
      if (loadedAt === 'absent' || this.#added.get(pid) !== process) return;
      if (loadedAt === 'unsettled') {
        this.#fail(
          new UspanError('E_SEMAPHORE', 'the page with its semaphores stays mapped more than once', { on: path }),
        );
        return;
      }
      // Before there are breakpoints, which a fork inherits without the programs behind them.
      this.#options.followForks(pid, true);
      for (const attachment of this.#options.attachments) {
        await this.#options.step(() => this.#attach(attachment, pid));
      }
    });
  }

  /** The process has ended, or runs a program anew: then the links outlast that. */
  remove(pid: number): Promise<void> {
    const before = this.#added.get(pid);
    if (!before || !this.#added.delete(pid)) return Promise.resolve();
    this.#options.followForks(pid, false);
    return this.#inTurn(pid, async () => {
      if (!this.#options.attachments.some(({ processLinks }) => processLinks?.has(pid))) return;
      const loadedAt = await this.#settled(pid, before.path, () => true);
      if (typeof loadedAt === 'number') {
        mendSemaphores({ pid, path: before.path, openPath: this.#openPath, loadedAt }, this.#sites);
      }
      await Promise.all(this.#options.attachments.map(({ processLinks }) => processLinks?.remove(pid)));
    });
  }

  /** Takes no more processes. Resolves when those that run their program anew are ready for a detach. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const pid of this.#added.keys()) void this.remove(pid);
    await Promise.all(this.#work.values());
    closeSync(this.#file);
  }

  get #openPath(): string {
    return `/proc/self/fd/${this.#file}`;
  }

  /** Waits until the kernel can only find the right mappings. */
  async #settled(pid: number, path: string, isWanted: () => boolean): Promise<number | 'absent' | 'unsettled'> {
    for (const pauseMs of pausesMs) {
      const loadedAt = settledLoadAddress(pid, path, this.#sites);
      if (loadedAt !== 'unsettled' || !isWanted()) return loadedAt;
      await pause(pauseMs, undefined, { ref: false });
    }
    return 'unsettled';
  }

  #attach(attachment: Attachment, pid: number): void {
    try {
      attachment.processLinks?.add(pid, this.#openPath);
    } catch (cause) {
      const error = new UspanError('E_SEMAPHORE', 'it cannot be attached to one process alone', {
        on: attachment.decision.binary.path,
        cause,
      });
      this.#options.failed(attachment, error);
    }
  }

  #fail(error: UspanError): void {
    for (const attachment of this.#options.attachments) this.#options.failed(attachment, error);
  }

  /** What is done for one process is done in order. */
  #inTurn(pid: number, work: () => Promise<void>): Promise<void> {
    const done = (this.#work.get(pid) ?? Promise.resolve()).then(work);
    const settled = done
      .catch(() => {})
      .finally(() => {
        if (this.#work.get(pid) === settled) this.#work.delete(pid);
      });
    this.#work.set(pid, settled);
    return done;
  }
}
