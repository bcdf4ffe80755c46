import { describeError } from '../../contract/errors.ts';
import type { ProcessFacts } from '../../discovery/processes/process-facts.ts';
import { wantsLibrary } from '../plan.ts';
import type { Attacher } from './attacher.ts';
import type { AttachDecision, Attachment } from './attachment.ts';
import { type Inspection, type InspectOptions, inspectFile } from './inspect.ts';
import { executableFile, libraryFiles, type ProcessFile } from './process-files.ts';
import { runsCopy } from './runs-copy.ts';
import type { VmaFile, VmaFiles } from './vma-files.ts';

/** A file that processes run or have loaded, looked into once. */
export interface KnownBinary extends Inspection {
  readonly attachments: readonly Attachment[];
  /** A decision that said attach, and what the kernel said. */
  readonly failures: readonly { readonly decision: AttachDecision; readonly error: string }[];
  readonly pids: ReadonlySet<number>;
  /** Of these, those that run a copy of the code, which the probes are not on. */
  readonly moved: ReadonlySet<number>;
}

interface State extends KnownBinary {
  readonly key: string;
  /** Tells a file from one that was written over it in place. */
  readonly stamp: string;
  readonly statKey: string;
  readonly attachments: Attachment[];
  readonly failures: { readonly decision: AttachDecision; readonly error: string }[];
  readonly pids: Set<number>;
  readonly moved: Set<number>;
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
 * Every file that a target runs or has loaded, by its real inode: parsed once, attached once, however many processes and mounts share it.
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

  /**
   * The files of a process, attached if they are new: its program first, then libraries that some definition is for. Empty when the
   * process is gone. Asked again, it finds the libraries that were loaded meanwhile. Never throws for what is in a file.
   */
  add(facts: ProcessFacts): KnownBinary[] {
    const executable = executableFile(facts);
    if (!executable) return [];
    const { definitions } = this.#options;
    const libraries = libraryFiles(facts, (path) => wantsLibrary(definitions, path));
    let mappings: readonly VmaFile[] | undefined;
    const mappingsOnce = () => {
      mappings ??= this.#options.vmaFiles?.of(facts.pid) ?? [];
      return mappings;
    };
    const states = [executable, ...libraries].map((file) => this.#state(file, mappingsOnce));
    // Without its program a process is nobody's.
    if (!states[0]) return [];
    const known = states.filter((state) => state !== undefined);
    for (const state of known) state.pids.add(facts.pid);
    const [program] = known;
    if (program && runsCopy(facts, program.binary)) program.moved.add(facts.pid);
    if (known.some(({ attachments }) => attachments.length > 0)) this.#options.attacher.addTarget(facts.pid);
    return known;
  }

  /** A process has ended. The last one of a file takes the probes with it. */
  remove(pid: number): void {
    this.#options.attacher.removeTarget(pid);
    for (const state of this.#byFile.values()) {
      state.moved.delete(pid);
      if (state.pids.delete(pid) && state.pids.size === 0) this.#release(state);
    }
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

  #state(file: ProcessFile, mappings: () => readonly VmaFile[]): State | undefined {
    const key = this.#realKey(file, mappings);
    const before = this.#byFile.get(key);
    if (before?.stamp === file.stamp) return before;
    if (before) this.#release(before);
    return this.#open(file, key);
  }

  /** Asked of the kernel once for each (device, inode) that stat shows. */
  #realKey(file: ProcessFile, mappings: () => readonly VmaFile[]): string {
    let real = this.#realKeys.get(file.statKey);
    if (real === undefined) {
      const found = file.realFile(mappings());
      real = found ? `real:${found.dev}:${found.ino}` : `stat:${file.statKey}`;
      this.#realKeys.set(file.statKey, real);
    }
    return real;
  }

  /** Undefined when the process is gone, or about to go. */
  #open(file: ProcessFile, key: string): State | undefined {
    const { statKey, stamp } = file;
    return inspectFile(file, this.#options, (inspection, fd) => {
      const state: State = {
        ...inspection,
        key,
        stamp,
        statKey,
        attachments: [],
        failures: [],
        pids: new Set(),
        moved: new Set(),
      };
      for (const decision of state.decisions) if (decision.do === 'attach') this.#attach(state, decision, fd);
      this.#byFile.set(key, state);
      return state;
    });
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
