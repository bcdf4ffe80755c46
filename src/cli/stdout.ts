import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { UspanError } from '../contract/errors.ts';
import { printableJson } from '../contract/printable.ts';
import { terminalLine } from '../contract/terminal-line.ts';
import { writeWhole } from './write-whole.ts';

/** Bytes that wait for a reader. What is beyond them is refused, so that a reader that sleeps takes no memory. */
const maxWaitingBytes = 16 * 1024 * 1024;
const fd = 1;

/** stdout, which is for data. Everything that a command prints there goes through it. */
class Stdout {
  readonly isTTY = isatty(fd);
  /** Why it cannot be written. A reader that went away is no failure: what it does not read need not be written. */
  #failure: UspanError | undefined;
  #ended = false;
  #listeners: (() => void)[] = [];
  readonly #isFile = this.#checkFile();

  get columns(): number | undefined {
    return this.#isFile ? undefined : process.stdout.columns;
  }

  get failure(): UspanError | undefined {
    return this.#failure;
  }

  /** Nothing more can be written, because its reader went away, or for a failure. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Calls once when nothing more can be written. */
  onEnded(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** For people. Each is one line, whatever is in it. */
  printLines(lines: readonly string[]): void {
    this.write(`${lines.map(terminalLine).join('\n')}\n`);
  }

  /** For programs. */
  printJson(value: unknown): void {
    this.write(`${printableJson(value, 2)}\n`);
  }

  /** Writes text that is printable already. False: it was refused, because stdout has ended, or has too much to write. */
  write(text: string): boolean {
    if (this.#ended) return false;
    if (this.#isFile) return this.#writeFile(text);
    if (process.stdout.writableLength > maxWaitingBytes) return false;
    process.stdout.write(text, (error) => error && this.#end(error));
    return true;
  }

  /**
   * Waits until all is written. Until then, an exit would cut what waits in a pipe.
   * @throws UspanError E_OUTPUT if it was not written, or its reader has not read it after `withinMs`
   */
  async finish(withinMs?: number): Promise<void> {
    if (!this.#ended && !this.#isFile && process.stdout.writableLength > 0) await this.#written(withinMs);
    if (this.#failure) throw this.#failure;
  }

  #written(withinMs: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = () => this.#fail(`its reader has left ${process.stdout.writableLength} bytes unread`);
    const timer = withinMs === undefined ? undefined : setTimeout(late, withinMs);
    this.onEnded(resolve);
    // It comes behind everything that waits.
    process.stdout.write('', () => resolve());
    return promise.finally(() => clearTimeout(timer));
  }

  /** Node.js writes to a file once, and takes no notice if that was not all. */
  #writeFile(text: string): boolean {
    try {
      writeWhole(fd, Buffer.from(text));
      return true;
    } catch (error) {
      this.#end(error as NodeJS.ErrnoException);
      return false;
    }
  }

  #checkFile(): boolean {
    try {
      const stat = fstatSync(fd);
      const isFile = stat.isFile() || (stat.isCharacterDevice() && !this.isTTY);
      if (!isFile) process.stdout.on('error', (error: NodeJS.ErrnoException) => this.#end(error));
      return isFile;
    } catch {
      // Closed. The first write says so.
      return true;
    }
  }

  #end(error: NodeJS.ErrnoException): void {
    // EIO: the terminal is gone.
    const readerLeft = error.code === 'EPIPE' || (error.code === 'EIO' && this.isTTY);
    this.#fail(readerLeft ? undefined : error.message);
  }

  #fail(why: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    if (why !== undefined) {
      this.#failure = new UspanError('E_OUTPUT', `stdout could not be written: ${why}`, {
        fix: 'Give it a file with space left, or a reader that reads',
      });
    }
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

export const stdout = new Stdout();
