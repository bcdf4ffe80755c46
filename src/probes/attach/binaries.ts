import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { describeError, UspanError } from '../../contract/errors.ts';
import type { ProcessFacts } from '../../discovery/processes/process-facts.ts';
import type { Guard } from '../../guard.ts';
import { instrumentedDetail } from '../plan.ts';
import { AttachPerProcess } from './attach-per-process.ts';
import type { AttachedSites } from './attached-sites.ts';
import type { Attacher } from './attacher.ts';
import { type AttachDecision, type Attachment, attachedTogether } from './attachment.ts';
import { EndedAttachments } from './ended-attachments.ts';
import { FileCache, type KnownFile } from './file-cache.ts';
import type { Inspection } from './inspection.ts';
import type { Inspector } from './inspector.ts';
import { Leases } from './leases.ts';
import { type ProcessFile, stampOf } from './process-files.ts';
import { type KnownBinary, RunningFile } from './running-file.ts';
import { runsCopy } from './runs-copy.ts';
import { SdksAtWork } from './sdks-at-work.ts';
import { Steps } from './steps.ts';
import type { VmaFile, VmaFiles } from './vma-files.ts';

export interface BinariesOptions {
  readonly attacher: Attacher;
  readonly inspector: Inspector;
  readonly vmaFiles: VmaFiles | undefined;
  /** Only selected processes of a binary count. See Attacher.addTarget. */
  readonly filterByProcess: boolean;
  /** How long the probes on the program at this path stay after its last process, in ms, where they can. */
  readonly keepMs: (path: string) => number;
  /** What this process forks is to be added soon, because it has none of its parent's links. */
  readonly followForks: (pid: number, isFollowed: boolean) => void;
  readonly guard: Guard;
  /** Handles the spans that are in the ring now. */
  readonly drain: () => void;
}

/** Files that no process runs, and that keep their probes. Each also keeps its file system busy. */
const maxUnused = 64;
/** The same for a file in another mount namespace, such as a container's, whose end nobody tells. */
const maxForeignMs = 60_000;

/**
 * Every file that a target runs or has loaded, by its real inode. It is read once and attached once, no matter how many processes and
 * mounts share it. A running file cannot be written to (ETXTBSY), but one whose processes have ended can, and the kernel would put the old
 * file's breakpoints into the new one's code. So probes outlast the last process only where a lease guards the file. The plan for the file
 * always outlasts it, for when it runs again.
 */
export class Binaries {
  readonly #options: BinariesOptions;
  readonly #cache = new FileCache();
  readonly #leases = new Leases();
  readonly #steps = new Steps();
  /** By identity. */
  readonly #reading = new Map<string, Promise<Inspection | undefined>>();
  readonly #byFile = new Map<string, RunningFile>();
  readonly #realKeys = new Map<string, string>();
  readonly #closing = new Set<Attachment>();
  readonly #ended = new EndedAttachments();
  readonly #sdks = new SdksAtWork();
  #closed = false;

  constructor(options: BinariesOptions) {
    this.#options = options;
  }

  /** What is known of a file by its identity, whether it runs or not. */
  known(identity: string): KnownFile | undefined {
    return this.#cache.get(identity);
  }

  /**
   * A process runs this file, or has loaded it. A new file is read and attached: see RunningFile.ready. Undefined if no definition is for
   * it, if it cannot be opened (for example because its process has gone), and after close(). Never throws for the content of a file.
   */
  add(pid: number, file: ProcessFile): RunningFile | undefined {
    const cached = this.#cache.get(file.identity);
    if (cached?.nothing) return undefined;
    const state = this.#state(pid, file, cached?.inspection);
    if (!state) return undefined;
    state.pids.add(pid);
    if (state.attachments.length > 0) this.#admit(pid);
    if (!state.paths.has(pid)) {
      state.paths.set(pid, file.path);
      const { perProcess, ready } = state;
      if (perProcess) state.ready = this.#settled([ready, perProcess.add(pid, file.path)]);
    }
    return state;
  }

  /**
   * Reads and attaches to a program before it runs, if its probes can be kept. Otherwise only its plan is known from then on.
   * @returns whether there is something to attach to
   */
  async foresee(file: ProcessFile): Promise<boolean> {
    const cached = this.#cache.get(file.identity);
    if (cached?.nothing || this.#closed) return false;
    const state = this.#state(process.pid, file, cached?.inspection);
    await state?.ready;
    const known = this.#cache.get(file.identity);
    return known?.nothing === false && attachedTogether(known.inspection.decisions).length > 0;
  }

  /** Whether this content of a file has probes now. */
  hasProbes(identity: string): boolean {
    return [...this.#byFile.values()].some(
      ({ file, attachments }) => file.identity === identity && attachments.length > 0,
    );
  }

  /** Checks whether a process runs a copy of its program's code. It may have moved there since it started. */
  checkCopy(facts: ProcessFacts): void {
    for (const { inspection, pids, moved } of this.#byFile.values()) {
      if (!pids.has(facts.pid) || inspection?.role !== 'executable') continue;
      if (runsCopy(facts, inspection.binary)) moved.add(facts.pid);
    }
  }

  /** A process has ended. With the last process of a file, its probes go, unless they can be kept. */
  remove(pid: number): void {
    this.leave(pid);
    this.settle(pid);
  }

  /** A process has become another program. Its files keep their probes until settle(), because the next program may be the same file. */
  leave(pid: number): void {
    for (const { pids, moved, paths, perProcess } of this.#byFile.values()) {
      moved.delete(pid);
      paths.delete(pid);
      pids.delete(pid);
      if (perProcess) void this.#options.guard.settle('a detach from a process', () => perProcess.remove(pid));
    }
  }

  /** Whatever the process runs now has been added. */
  settle(pid: number): void {
    const states = [...this.#byFile.values()];
    if (!states.some(({ pids }) => pids.has(pid))) this.#options.attacher.removeTarget(pid);
    for (const state of states) if (state.pids.size === 0) this.#unused(state);
  }

  /** Detaches from files that no process has run for long enough, and from those that were removed. */
  expire(): void {
    const unused = [...this.#byFile.values()].filter(({ pids }) => pids.size === 0);
    unused.sort((a, b) => a.unusedSinceMs - b.unusedSinceMs);
    const excess = unused.length - maxUnused;
    for (const [n, state] of unused.entries()) {
      if (n < excess || !this.#keeps(state)) this.#unused(state, false);
    }
  }

  all(): KnownBinary[] {
    return [...this.#byFile.values()].map((file) => file.known()).filter((known) => known !== undefined);
  }

  /** Attachments that exist, and those that did. */
  attachments(): AttachedSites[] {
    const now = [...this.#byFile.values()].flatMap(({ attachments }) => attachments);
    return [...this.#ended.all(), ...this.#closing, ...now];
  }

  /** Detaches from processes that have links of their own. Resolves when the kernel has let go. Comes after close(). */
  async detachFromProcesses(): Promise<void> {
    await Promise.all([...this.#byFile.values()].map(({ perProcess }) => perProcess?.close()));
  }

  /** Attaches nothing from now on. */
  close(): void {
    this.#closed = true;
  }

  #state(pid: number, file: ProcessFile, inspection: Inspection | undefined): RunningFile | undefined {
    const key = this.#realKey(pid, file);
    const before = this.#byFile.get(key);
    if (before?.file.stamp === file.stamp) return before;
    if (before) this.#release(before);
    return this.#closed ? undefined : this.#open(file, key, inspection);
  }

  /** The kernel is asked once for each (device, inode) that stat shows. */
  #realKey(pid: number, file: ProcessFile): string {
    let real = this.#realKeys.get(file.statKey);
    if (real === undefined) {
      const found = file.realFile(this.#mappings(pid));
      real = found ? `real:${found.dev}:${found.ino}` : `stat:${file.statKey}`;
      this.#realKeys.set(file.statKey, real);
    }
    return real;
  }

  #mappings(pid: number): readonly VmaFile[] {
    try {
      return this.#options.vmaFiles?.of(pid) ?? [];
    } catch {
      return []; // The process is about to go, or the kernel cannot say. Then stat's answer has to do.
    }
  }

  /** Undefined if the process is gone, or about to go. */
  #open(file: ProcessFile, key: string, inspection: Inspection | undefined): RunningFile | undefined {
    let fd: number;
    try {
      // The file stays open until the probes are on, so that they go to the file that was read, whatever becomes of its process.
      fd = openSync(file.openPath, 'r');
    } catch {
      this.#realKeys.delete(file.statKey);
      return undefined;
    }
    const state = new RunningFile(key, file, inspection);
    this.#byFile.set(key, state);
    const prepared = this.#options.guard.settle('a program file', () => this.#prepare(state, fd));
    state.ready = prepared.finally(() => {
      state.prepared = true;
      if (state.lease === undefined) closeSync(fd);
      if (state.pids.size === 0) this.#unused(state);
    });
    return state;
  }

  async #prepare(state: RunningFile, fd: number): Promise<void> {
    const openPath = `/proc/self/fd/${fd}`;
    const inspection = state.inspection ?? (await this.#inspect(state, openPath));
    if (inspection && inspection.decisions.length > 0) this.#guardFile(state, fd);
    for (const decisions of attachedTogether(inspection?.decisions ?? [])) {
      await this.#steps.run(() => {
        if (!state.running || this.#closed || (state.pids.size === 0 && state.lease === undefined)) return;
        if (this.#leaveToSdk(state, decisions)) return;
        // Attaching takes tens of milliseconds, and more if a program has to be loaded. So empty the ring before.
        this.#options.drain();
        this.#attach(state, decisions, fd, openPath);
      });
    }
    if (state.attachments.some(({ processLinks }) => processLinks)) await this.#attachPerProcess(state, openPath);
  }

  /**
   * Looks again for processes whose own SDK runs by now: it starts after the program, and an exporter connects later still. Their probes
   * go. It resolves to what has been left to an SDK since the last time.
   */
  async lookForSdks(): Promise<{ readonly file: RunningFile; readonly detail: string }[]> {
    const found: { file: RunningFile; detail: string }[] = [];
    const closing: Promise<void>[] = [];
    for (const state of this.#byFile.values()) {
      const ours = state.attachments.filter(({ decision }) => decision.instrumentedBy !== undefined);
      if (
        ours.length === 0 ||
        !this.#leaveToSdk(
          state,
          ours.map(({ decision }) => decision),
        )
      )
        continue;
      state.attachments.splice(
        0,
        state.attachments.length,
        ...state.attachments.filter((each) => !ours.includes(each)),
      );
      closing.push(...ours.map((attachment) => this.#close(state, attachment)));
      found.push(...state.instrumented.slice(-ours.length).map(({ detail }) => ({ file: state, detail })));
    }
    await Promise.all(closing);
    return found;
  }

  /** Whether a process of the file makes the spans of these decisions itself. If so, it is noted. */
  #leaveToSdk(state: RunningFile, decisions: readonly AttachDecision[]): boolean {
    if (!decisions.every(({ instrumentedBy }) => instrumentedBy !== undefined)) return false;
    const evidence = this.#sdks.of(state);
    if (evidence === undefined) return false;
    for (const decision of decisions) {
      state.instrumented.push({ decision, detail: instrumentedDetail(decision.instrumentedBy!, evidence) });
    }
    return true;
  }

  async #attachPerProcess(state: RunningFile, openPath: string): Promise<void> {
    const attachments = state.attachments.filter(({ processLinks }) => processLinks);
    const perProcess = new AttachPerProcess(openPath, {
      attachments,
      step: (work) =>
        this.#steps.run(() => {
          this.#options.drain();
          work();
        }),
      followForks: this.#options.followForks,
      failed: ({ decision }, error) => {
        const failure = { decision, error: describeError(error) };
        const isKnown = state.failures.some((each) => each.decision === decision && each.error === failure.error);
        if (!isKnown) state.failures.push(failure);
      },
    });
    state.perProcess = perProcess;
    if (!state.running) return perProcess.close();
    await this.#settled([...state.paths].map(([pid, path]) => perProcess.add(pid, path)));
  }

  #settled(work: readonly Promise<void>[]): Promise<void> {
    return this.#options.guard.settle('a process of a file', async () => {
      await Promise.all(work);
    });
  }

  async #inspect(state: RunningFile, openPath: string): Promise<Inspection | undefined> {
    const { file } = state;
    // If a process ended before its file was read, another one may follow. So the file is still read once.
    let reading = this.#reading.get(file.identity);
    if (!reading) {
      const { path, role } = file;
      reading = this.#options.inspector.inspect({ path, role, openPath });
      this.#reading.set(file.identity, reading);
    }
    const inspection = await reading;
    this.#reading.delete(file.identity);
    state.inspection = inspection;
    if (!inspection || this.#cache.put(file.identity, inspection).nothing) this.#leave(state);
    return inspection;
  }

  /** One broken probe never stops another. */
  #attach(state: RunningFile, decisions: readonly AttachDecision[], fd: number, openPath: string): void {
    const { attacher, filterByProcess } = this.#options;
    try {
      if (stampOf(fstatSync(fd, { bigint: true })) !== state.file.stamp) {
        throw new UspanError('E_FILE_CHANGED', 'the file was written to after it was read', { on: state.file.path });
      }
      for (const pid of state.pids) this.#admit(pid);
      state.attachments.push(...attacher.attach(decisions, openPath, filterByProcess));
    } catch (error) {
      state.failures.push(...decisions.map((decision) => ({ decision, error: describeError(error) })));
    }
  }

  #admit(pid: number): void {
    this.#options.guard.run('the table of processes that are traced', () => this.#options.attacher.addTarget(pid));
  }

  /** Has the probes stay after the last process, if they may. */
  #guardFile(state: RunningFile, fd: number): void {
    if (!state.running || this.#closed || this.#keepMs(state) === 0) return;
    // Whoever wants to write to it waits until the probes are gone. The kernel lets nobody even try while a process runs the file, so the
    // events of the last ones that ended are still on the way.
    if (this.#leases.take(fd, () => this.#release(state))) state.lease = fd;
  }

  #keepMs({ file }: RunningFile): number {
    const keepMs = file.role === 'executable' ? this.#options.keepMs(file.path) : 0;
    if (keepMs <= maxForeignMs) return keepMs;
    const here = statSync(file.path, { bigint: true, throwIfNoEntry: false });
    return here && stampOf(here) === file.stamp ? keepMs : maxForeignMs;
  }

  /** No process runs it. */
  #unused(state: RunningFile, keep = true): void {
    if (!state.running) return;
    state.unusedSinceMs = performance.now();
    // It is being read, and is looked at again afterwards.
    if (keep && (this.#keeps(state) || (!state.prepared && this.#keepMs(state) > 0))) return;
    this.#release(state);
  }

  #keeps(state: RunningFile): boolean {
    const { lease, unusedSinceMs, instrumented } = state;
    // The next process may be configured otherwise.
    if (lease === undefined || this.#closed || instrumented.length > 0) return false;
    return fstatSync(lease).nlink > 0 && performance.now() - unusedSinceMs <= this.#keepMs(state);
  }

  #release(state: RunningFile): void {
    this.#leave(state);
    const detached = state.attachments.map((attachment) => this.#close(state, attachment));
    void Promise.all([state.ready, ...detached]).then(() => this.#giveBack(state));
  }

  async #close(state: RunningFile, attachment: Attachment): Promise<void> {
    this.#closing.add(attachment);
    await this.#options.guard.settle('a detach', async () => {
      await state.perProcess?.close();
      await attachment.close();
    });
    this.#closing.delete(attachment);
    this.#ended.add(attachment);
  }

  #giveBack(state: RunningFile): void {
    if (state.lease !== undefined) this.#leases.giveBack(state.lease);
    state.lease = undefined;
  }

  #leave(state: RunningFile): void {
    state.running = false;
    if (this.#byFile.get(state.key) === state) this.#byFile.delete(state.key);
    // Device numbers are used again, so those of mounts are dropped with the file.
    for (const [statKey, key] of this.#realKeys) if (key === state.key) this.#realKeys.delete(statKey);
  }
}
