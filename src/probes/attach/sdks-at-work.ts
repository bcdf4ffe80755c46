import { runningOtelSdk } from '../../discovery/processes/otel-sdk.ts';
import type { RunningFile } from './running-file.ts';

const maxFiles = 512;

/**
 * Which files run with an OpenTelemetry SDK. Processes of one file are taken to be alike. A file whose SDK was once seen at work is not
 * attached for a moment when it starts again.
 */
export class SdksAtWork {
  /** By the file's identity. The oldest goes first. */
  readonly #seen = new Map<string, string>();

  /** What shows that an SDK runs in a process of the file, as a sentence without its subject. Undefined: nothing. */
  of({ file, pids }: RunningFile): string | undefined {
    for (const pid of pids) {
      const evidence = runningOtelSdk(pid);
      if (!evidence) continue;
      if (evidence.seen) this.#keep(file.identity, evidence.detail);
      return evidence.detail;
    }
    return this.#seen.get(file.identity);
  }

  #keep(identity: string, detail: string): void {
    this.#seen.delete(identity);
    this.#seen.set(identity, detail);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= maxFiles) break;
      this.#seen.delete(oldest);
    }
  }
}
