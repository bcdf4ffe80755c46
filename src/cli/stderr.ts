import { isatty } from 'node:tty';
import { terminalLine } from '../contract/terminal-line.ts';
import { isFull, writeWhole } from './write-whole.ts';

const fd = 2;
/** A full pipe has so long to take something. After that, each text is tried once, until one is taken. */
const patienceMs = 200;

/**
 * stderr, which is for people. It writes at once, so that the last words before an exit are not lost. When it cannot be written, there is
 * nobody left to tell, and that must not end the agent.
 */
class Stderr {
  readonly isTTY = isatty(fd);
  #isStuck = false;

  /** Each is one line, whatever is in it. */
  printLines(lines: readonly string[]): void {
    this.write(`${lines.map(terminalLine).join('\n')}\n`);
  }

  /** Writes text that is printable already. */
  write(text: string): void {
    try {
      writeWhole(fd, Buffer.from(text), this.#isStuck ? 0 : patienceMs);
      this.#isStuck = false;
    } catch (error) {
      this.#isStuck = isFull(error);
    }
  }
}

export const stderr = new Stderr();
