import { describeError } from '../../contract/errors.ts';
import { mapFile } from '../../discovery/map-file.ts';
import type { ProcessFacts } from '../../discovery/processes/process-facts.ts';
import type { Attacher } from './attacher.ts';
import type { AttachDecision, Attachment } from './attachment.ts';
import { type Inspection, type InspectOptions, inspectBinary } from './inspect.ts';
import { executableOf, type VmaFiles } from './vma-files.ts';

/** A file that processes run, looked into once. */
export interface KnownBinary extends Inspection {
  readonly attachments: readonly Attachment[];
  /** A decision that said attach, and what the kernel said. */
  readonly failures: readonly { readonly decision: AttachDecision; readonly error: string }[];
  readonly pids: ReadonlySet<number>;
}

interface State extends KnownBinary {
  readonly attachments: Attachment[];
  readonly failures: { readonly decision: AttachDecision; readonly error: string }[];
  readonly pids: Set<number>;
  release: NodeJS.Timeout | undefined;
}

export interface BinariesOptions extends InspectOptions {
  readonly attacher: Attacher;
  readonly vmaFiles: VmaFiles | undefined;
  /** Only chosen processes of a binary count, see Attacher.addTarget. */
  readonly filterByProcess: boolean;
}

/** How long probes stay on a file that nothing runs any more, so that a restarted program is traced from its first request. */
const releaseAfterMs = 60_000;

/** Every file that a target runs, by its real inode: parsed once, attached once, however many processes and mounts share it. */
export class Binaries {
  readonly #options: BinariesOptions;
  readonly #byFile = new Map<string, State>();
  readonly #realKeys = new Map<string, string>();
  readonly #closed: Attachment[] = [];

  constructor(options: BinariesOptions) {
    this.#options = options;
  }

  /** The file of a process, attached if it is new. Undefined when the process is gone. Never throws for what is in the file. */
  add(facts: ProcessFacts): KnownBinary | undefined {
    if (!facts.exe) return undefined;
    const key = this.#realKey(facts.pid, facts.exe);
    const state = this.#byFile.get(key) ?? this.#open(facts, key);
    if (!state) return undefined;
    state.pids.add(facts.pid);
    clearTimeout(state.release);
    if (state.attachments.length > 0) this.#options.attacher.addTarget(facts.pid);
    return state;
  }

  /** A process has ended. */
  remove(pid: number): void {
    for (const [key, state] of this.#byFile) {
      if (!state.pids.delete(pid)) continue;
      if (state.attachments.length > 0) this.#options.attacher.removeTarget(pid);
      if (state.pids.size === 0) state.release = setTimeout(() => void this.#release(key), releaseAfterMs).unref();
    }
  }

  /** The file that a probe is attached to. */
  ofProbe(probeId: number): KnownBinary | undefined {
    return this.all().find(({ attachments }) => attachments.some((attachment) => attachment.probeId === probeId));
  }

  all(): KnownBinary[] {
    return [...this.#byFile.values()];
  }

  /** Attachments there are and were. */
  attachments(): Attachment[] {
    return [...this.#closed, ...this.all().flatMap((state) => state.attachments)];
  }

  close(): void {
    for (const state of this.#byFile.values()) clearTimeout(state.release);
  }

  async #release(key: string): Promise<void> {
    const state = this.#byFile.get(key);
    if (!state || state.pids.size > 0) return;
    this.#byFile.delete(key);
    this.#closed.push(...state.attachments);
    await Promise.all(state.attachments.map((attachment) => attachment.close()));
  }

  /** Asked of the kernel once for each (device, inode) that stat shows. */
  #realKey(pid: number, exe: NonNullable<ProcessFacts['exe']>): string {
    const statKey = `${exe.dev}:${exe.ino}`;
    let real = this.#realKeys.get(statKey);
    if (real === undefined) {
      const file = this.#options.vmaFiles && executableOf(this.#options.vmaFiles.of(pid), exe.ino);
      real = file ? `real:${file.dev}:${file.ino}` : `stat:${statKey}`;
      this.#realKeys.set(statKey, real);
    }
    return real;
  }

  #open(facts: ProcessFacts, key: string): State | undefined {
    const path = facts.exe?.path ?? `/proc/${facts.pid}/exe`;
    let file: ReturnType<typeof mapFile>;
    try {
      file = mapFile(`/proc/${facts.pid}/exe`);
    } catch {
      return undefined; // It is gone, or about to.
    }
    const state: State = {
      ...inspectBinary(path, file, this.#options),
      attachments: [],
      failures: [],
      pids: new Set(),
      release: undefined,
    };
    try {
      for (const decision of state.decisions) if (decision.do === 'attach') this.#attach(state, decision, file.fd);
    } finally {
      file.close();
    }
    this.#byFile.set(key, state);
    return state;
  }

  /** One broken probe never stops another. */
  #attach(state: State, decision: AttachDecision, fd: number): void {
    const { attacher, filterByProcess } = this.#options;
    try {
      state.attachments.push(attacher.attach(decision, `/proc/self/fd/${fd}`, filterByProcess));
    } catch (error) {
      state.failures.push({ decision, error: describeError(error) });
    }
  }
}
