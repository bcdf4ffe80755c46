import { statSync } from 'node:fs';
import { describeError } from '../../contract/errors.ts';
import { mapFile } from '../../discovery/map-file.ts';
import type { Executable, ProcessFacts } from '../../discovery/processes/process-facts.ts';
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
  readonly key: string;
  /** Tells a file from one that was written over it in place. */
  readonly stamp: string;
  readonly statKey: string;
  readonly attachments: Attachment[];
  readonly failures: { readonly decision: AttachDecision; readonly error: string }[];
  readonly pids: Set<number>;
}

export interface BinariesOptions extends InspectOptions {
  readonly attacher: Attacher;
  readonly vmaFiles: VmaFiles | undefined;
  /** Only chosen processes of a binary count, see Attacher.addTarget. */
  readonly filterByProcess: boolean;
}

/** Files nothing runs any more whose hits are still told by report(). */
const maxReleased = 1024;

/**
 * Every file that a target runs, by its real inode: parsed once, attached once, however many processes and mounts share it.
 * Probes do not outlast the last process: a running file cannot be written to (ETXTBSY), but one that has ended can be, and the kernel
 * would put the old file's breakpoints into the new one's code.
 */
export class Binaries {
  readonly #options: BinariesOptions;
  readonly #byFile = new Map<string, State>();
  readonly #realKeys = new Map<string, string>();
  #released: State[] = [];

  constructor(options: BinariesOptions) {
    this.#options = options;
  }

  /** The file of a process, attached if it is new. Undefined when the process is gone. Never throws for what is in the file. */
  add(facts: ProcessFacts): KnownBinary | undefined {
    const stamp = facts.exe && stampOf(facts.pid);
    if (!facts.exe || stamp === undefined) return undefined;
    const key = this.#realKey(facts.pid, facts.exe);
    const before = this.#byFile.get(key);
    if (before && before.stamp !== stamp) this.#release(before);
    const state = before?.stamp === stamp ? before : this.#open(facts, facts.exe, key, stamp);
    if (!state) return undefined;
    state.pids.add(facts.pid);
    if (state.attachments.length > 0) this.#options.attacher.addTarget(facts.pid);
    return state;
  }

  /** A process has ended. The last one of a file takes the probes with it. */
  remove(pid: number): void {
    for (const state of this.#byFile.values()) {
      if (!state.pids.delete(pid)) continue;
      if (state.attachments.length > 0) this.#options.attacher.removeTarget(pid);
      if (state.pids.size === 0) this.#release(state);
    }
  }

  /** The file that a probe is, or was last, attached to. */
  ofProbe(probeId: number): KnownBinary | undefined {
    const isOf = ({ attachments }: State) => attachments.some((attachment) => attachment.probeId === probeId);
    return [...this.#byFile.values()].find(isOf) ?? this.#released.findLast(isOf);
  }

  all(): KnownBinary[] {
    return [...this.#byFile.values()];
  }

  /** Attachments there are, and the last ones there were. */
  attachments(): Attachment[] {
    return [...this.#released, ...this.#byFile.values()].flatMap(({ attachments }) => attachments);
  }

  #release(state: State): void {
    this.#byFile.delete(state.key);
    this.#realKeys.delete(state.statKey);
    if (state.attachments.length === 0) return;
    this.#released = [...this.#released.slice(1 - maxReleased), state];
    for (const attachment of state.attachments) void attachment.close();
  }

  /** Asked of the kernel once for each (device, inode) that stat shows. */
  #realKey(pid: number, exe: Executable): string {
    const statKey = statKeyOf(exe);
    let real = this.#realKeys.get(statKey);
    if (real === undefined) {
      const file = this.#options.vmaFiles && executableOf(this.#options.vmaFiles.of(pid), exe.ino);
      real = file ? `real:${file.dev}:${file.ino}` : `stat:${statKey}`;
      this.#realKeys.set(statKey, real);
    }
    return real;
  }

  #open(facts: ProcessFacts, exe: Executable, key: string, stamp: string): State | undefined {
    let file: ReturnType<typeof mapFile>;
    try {
      file = mapFile(`/proc/${facts.pid}/exe`);
    } catch {
      return undefined; // It is gone, or about to.
    }
    const state: State = {
      ...inspectBinary(exe.path, file, this.#options),
      key,
      stamp,
      statKey: statKeyOf(exe),
      attachments: [],
      failures: [],
      pids: new Set(),
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

function statKeyOf({ dev, ino }: Executable): string {
  return `${dev}:${ino}`;
}

/** Size and times of a process's file; undefined when the process is gone. */
function stampOf(pid: number): string | undefined {
  try {
    const { size, mtimeNs, ctimeNs } = statSync(`/proc/${pid}/exe`, { bigint: true });
    return `${size}:${mtimeNs}:${ctimeNs}`;
  } catch {
    return undefined;
  }
}
