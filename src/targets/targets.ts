/** The life cycle of what is traced: uspan selects processes, reads their files and attaches to them, and they end. */
import { existsSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProbeDefinition } from '../contract/decision.ts';
import type { Notify } from '../contract/notify.ts';
import type { Resource } from '../contract/span.ts';
import { childrenOf } from '../discovery/processes/children.ts';
import type { ProcessFacts } from '../discovery/processes/process-facts.ts';
import { readProcess, readProgramPath } from '../discovery/processes/read-process.ts';
import { scanProcesses } from '../discovery/processes/scan-processes.ts';
import { type TargetRules, TargetSelector } from '../discovery/processes/select-targets.ts';
import { served } from '../discovery/processes/served.ts';
import type { Guard } from '../guard.ts';
import type { Attacher } from '../probes/attach/attacher.ts';
import type { Binaries } from '../probes/attach/binaries.ts';
import { monotonicNs } from '../probes/attach/clock.ts';
import type { Exec } from '../probes/attach/process-events.ts';
import { executableFile, libraryFiles, programIdentity } from '../probes/attach/process-files.ts';
import type { RunningFile } from '../probes/attach/running-file.ts';
import { wantsLibrary } from '../probes/plan.ts';
import type { ProbeTable } from '../probes/probe-table.ts';
import { otherProcess, type ProcessTable } from '../probes/process-table.ts';
import { EndedProcesses } from './ended-processes.ts';
import { Foresight } from './foresight.ts';
import { Identities, type IdentitiesOptions } from './identities.ts';
import { LibraryWatch } from './library-watch.ts';
import { NeverHit } from './never-hit.ts';
import { Primaries } from './primaries.ts';
import { isSameProgram, isTraced, type Target } from './target.ts';
import { tellAttached, tellEnded, tellLeftToSdk, tellNeverHit } from './tell.ts';
import { Timers } from './timers.ts';

export interface TargetsOptions extends IdentitiesOptions {
  readonly rules: TargetRules;
  readonly definitions: readonly ProbeDefinition[];
  readonly attacher: Attacher;
  readonly binaries: Binaries;
  readonly probes: ProbeTable;
  readonly processes: ProcessTable;
  readonly guard: Guard;
  readonly notify: Notify;
  /** Whether every listen() since the last call has been told. */
  readonly knowsListeners: () => boolean;
  /** Called when no process is left that the rules could ever select: they name only pids, and all of those have ended. */
  readonly onAllEnded: () => void;
  readonly lose: (stage: string, reason: string, count: number) => void;
}

/** A process that has just ended still has spans in the ring. */
const lingerMs = 2000;
const sweepMs = 1000;
/** Sessions that a crash ends together end within this time. */
const collectMs = 50;
/** The safety net under the exec events. */
const rescanMs = 15_000;
/** When an SDK's exporter has connected: it sends a first batch 5 s after its first span (OTEL_BSP_SCHEDULE_DELAY). */
const sdkLookMs = 6000;
/** Processes that a scan looks at for new libraries. The turn of the others comes with the next scan. */
const librariesPerRescan = 64;
/** Processes of a scan that are looked at before draining gets its turn. */
const scannedAtOnce = 16;

export class Targets {
  readonly #options: TargetsOptions;
  readonly #selector: TargetSelector;
  readonly #timers: Timers;
  readonly #targets = new Map<number, Target>();
  readonly #identities: Identities;
  readonly #libraries: LibraryWatch;
  readonly #primaries: Primaries;
  readonly #foresight: Foresight;
  readonly #ended: EndedProcesses;
  readonly #wantsLibraries: boolean;
  readonly #neverHit: NeverHit;
  #sdkLookIsNear = false;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #sweepIsNear = false;
  #scanned = false;

  constructor(options: TargetsOptions) {
    this.#options = options;
    const { rules, guard } = options;
    this.#selector = new TargetSelector(rules);
    this.#identities = new Identities(options);
    this.#primaries = new Primaries(rules);
    this.#foresight = new Foresight({ ...options, selector: this.#selector });
    this.#wantsLibraries = options.definitions.some(({ libraries }) => libraries);
    this.#timers = new Timers(guard);
    this.#neverHit = new NeverHit({ served, warn: (found) => tellNeverHit(options.notify, found) });
    this.#libraries = new LibraryWatch(this.#timers, (pid) => {
      void guard.settle('a look for libraries', () => this.#lookForLibraries(pid));
    });
    this.#ended = new EndedProcesses(options.attacher, (count) => options.lose('bpf', 'process_ended', count));
    this.#timers.every(sweepMs, 'the requests of ended processes', () => {
      options.processes.expire();
      options.binaries.expire();
      this.#sweep();
    });
    this.#timers.every(rescanMs, 'a scan of all processes', () => {
      void guard.settle('a scan of all processes', () => this.scan());
    });
  }

  /** Rules that name only pids select nothing more when those have ended, and their workers too. */
  #endWithPids(): void {
    const { pids, ports, exeGlobs } = this.#options.rules;
    if (pids.length === 0 || ports.length + exeGlobs.length > 0) return;
    if (this.#primaries.size + this.#targets.size > 0) return;
    // A fork of one of them, which has had no span yet.
    if (this.#options.attacher.targets.keys().length === 0) this.#options.onAllEnded();
  }

  /** Processes of selected programs that ended before uspan could attach to them. */
  get shortLived(): number {
    return this.#foresight.missed;
  }

  /** Processes with probes on one of their files. */
  traced(): ProcessFacts[] {
    return [...this.#targets.values()].filter(isTraced).map(({ facts }) => facts);
  }

  /** Looks at every process there is now. Resolves when the new ones are attached. */
  async scan(): Promise<void> {
    const { lose, attacher, guard } = this.#options;
    const seenAtNs = new Map<number, number>();
    const processes = scanProcesses((pid) => {
      seenAtNs.set(pid, monotonicNs());
      return this.#isLeftAlone(pid);
    });
    const alive = new Set(processes.map(({ pid }) => pid));
    this.#libraries.lookInTurn(librariesPerRescan);
    void guard.settle('a look for SDKs', () => this.#lookForSdks());
    guard.run('a look for probes that are never hit', () => this.#neverHit.look(this.#options.binaries.all()));
    const looks: Promise<void>[] = this.#scanned
      ? []
      : [guard.settle('the programs that rules name', () => this.#foresight.lookAt(this.#options.rules.exeGlobs))];
    const looksAtAll = !this.#options.knowsListeners() || !this.#scanned;
    this.#scanned = true;
    const portsOf = (pid: number) => (looksAtAll || this.#primaries.has(pid) ? this.#primaries.portsOf(pid) : []);
    const chosen = this.#selector.select(processes, process.pid, portsOf);
    const selected = new Set([
      ...chosen,
      ...this.#primaries.workersAmong(processes.filter((facts) => this.#canSelect(facts))),
    ]);
    for (const [n, facts] of [...selected].entries()) {
      if (n % scannedAtOnce === scannedAtOnce - 1) await nextTurn();
      looks.push(guard.settle('a process', () => this.#consider(facts, seenAtNs.get(facts.pid)!)));
    }
    for (const pid of this.#targets.keys()) if (!alive.has(pid)) this.exit(pid);
    await Promise.all(looks);
    // Sweeps what programs left that ended before uspan looked at them. One may have started since the list of processes was read.
    const gone = (pid: number) => !alive.has(pid) && !this.#targets.has(pid) && !existsSync(`/proc/${pid}`);
    lose('bpf', 'process_ended', await attacher.sweepInTurns(gone));
  }

  /** A process runs another program since `atNs`. */
  exec(pid: number, exec: Exec): void {
    const { atNs } = exec;
    const before = this.#targets.get(pid);
    // A wrapper starts the next one within a millisecond. So the first look at the process often shows the last of them.
    if (before && before.seenAtNs > atNs) {
      this.#learn(before);
      return;
    }
    this.#libraries.delete(pid);
    if (before) this.#forget(pid, atNs, () => this.#look(pid, exec));
    else this.#look(pid, exec);
  }

  /** A process listens on a TCP port. */
  listen(pid: number, port: number): void {
    const { rules } = this.#options;
    if (pid === process.pid || !this.#primaries.listens(pid, port)) return;
    if (!this.#targets.has(pid)) this.#take(pid, undefined, () => rules.ports);
    this.#takeWorkers(pid);
  }

  /** Looks at what a process runs since an exec. */
  #look(pid: number, { parent, path: toldPath }: Exec): void {
    this.#ended.makeWay(pid);
    if (!this.#mayWant(pid, parent, toldPath)) return;
    this.#lookAtProgram(pid, toldPath);
    // BPF let it through because its parent is a target.
    if (!this.#targets.has(pid)) this.#options.attacher.removeTarget(pid);
  }

  #lookAtProgram(pid: number, toldPath: string | undefined): void {
    const program = programIdentity(pid);
    if (program === undefined) {
      this.#foresight.ended(toldPath);
      return;
    }
    const known = this.#options.binaries.known(program);
    if (known?.nothing) {
      // For most programs of a host, one look at their file is enough.
      if (known.loadsLibraries && this.#wantsLibraries) this.#libraries.started(pid);
      return;
    }
    const path = readProgramPath(pid);
    if (path !== undefined && !this.#selector.canSelect(path)) return;
    this.#take(pid, toldPath);
  }

  /**
   * Whether a look at a process can be worth it, where rules name pids or ports. Hosts can start hundreds of processes a second, and this says
   * no to most without reading anything.
   */
  #mayWant(pid: number, parent: number, path: string | undefined): boolean {
    const { pids, ports, exeGlobs } = this.#options.rules;
    if (pids.length + ports.length === 0 || this.#primaries.has(pid) || this.#primaries.has(parent)) return true;
    return exeGlobs.length > 0 && (path === undefined || this.#selector.names(path));
  }

  /** A target has forked it, and it has none of its parent's probes yet. */
  forked(pid: number): void {
    if (!this.#targets.has(pid)) this.#unseen(pid);
  }

  /** It began a program and ended before uspan could look. */
  passed(pid: number, { path }: Exec): void {
    this.#foresight.ended(path);
    this.exit(pid);
  }

  /** @param isFork it may have open spans although no span has shown that it belongs to a target */
  exit(pid: number, isFork = false): void {
    const { binaries, processes } = this.#options;
    this.#libraries.delete(pid);
    this.#primaries.delete(pid);
    this.#selector.ended(pid);
    const target = this.#targets.get(pid);
    // Its probes must go at once.
    if (target) binaries.remove(pid);
    // An event has said so before, unless the kernel lost it.
    const endNs = monotonicNs();
    processes.exit(pid, endNs);
    // Its entries must make room for those of others, such as the sessions that follow a crash.
    if (isFork || (target && isTraced(target))) this.#sweepSoon(pid, endNs);
    // Its spans may still be in the ring.
    if (target) {
      tellEnded(this.#options.notify, target);
      this.#timers.after(lingerMs, 'a process that has ended', () => {
        if (this.#targets.get(pid) === target) this.#forget(pid, endNs);
        this.#endWithPids();
      });
    } else this.#endWithPids();
  }

  /** The resource of a program whose first span has come. See ProgramSource. */
  identify(pid: number, sinceNs: number): Resource | undefined {
    let target: Target | 'other' | undefined = this.#targets.get(pid);
    if (!target || target.seenAtNs < sinceNs) target = this.#unseen(pid);
    return target === 'other' ? otherProcess : target && this.#identities.of(target);
  }

  /** The same for a program that has ended. It is known only from before. */
  identifyEnded(pid: number, probeId: number, sinceNs: number, untilNs: number): Resource | undefined {
    const target = this.#targets.get(pid);
    if (target && target.seenAtNs >= sinceNs && target.seenAtNs < untilNs) return this.#identities.ofGone(target);
    const binary = this.#options.probes.binaryOf(probeId);
    return binary && this.#identities.ofEnded(pid, binary);
  }

  /** Takes no more processes. Sweeps what ended ones left. */
  stop(): void {
    this.#timers.stop();
    this.#options.binaries.close();
    this.#ended.sweep();
  }

  /** Whether a scan need not read more of a process: no definition is for its program, and that is known without reading it. */
  #isLeftAlone(pid: number): boolean {
    if (this.#targets.has(pid)) return false;
    const program = programIdentity(pid);
    const known = program === undefined ? undefined : this.#options.binaries.known(program);
    if (!known?.nothing) return false;
    if (known.loadsLibraries && this.#wantsLibraries) this.#libraries.settled(pid);
    return true;
  }

  /**
   * Looks at a process, and traces it if the rules select it.
   * @param path of its program, if that is known
   */
  #take(pid: number, path?: string, portsOf = (of: number) => this.#primaries.portsOf(of)): void {
    const seenAtNs = monotonicNs();
    const selected = readProcess(pid);
    if (!selected) {
      this.#foresight.ended(path);
      return;
    }
    if (!this.#isSelected(selected, portsOf)) return;
    void this.#options.guard.settle('a new process', () => this.#consider(selected, seenAtNs));
    if (this.#wantsLibraries) this.#libraries.started(pid);
  }

  /** Only its own ancestors matter to the rules, and the agent starts no programs. */
  #isSelected(facts: ProcessFacts, portsOf = (of: number) => this.#primaries.portsOf(of)): boolean {
    if (this.#selector.select([facts], process.pid, portsOf).length > 0) return true;
    return this.#canSelect(facts) && this.#primaries.isWorker(facts);
  }

  #canSelect({ exe }: ProcessFacts): boolean {
    return exe !== undefined && this.#selector.canSelect(exe.path);
  }

  /** Those that a new primary started before it listened. */
  #takeWorkers(pid: number): void {
    for (const child of childrenOf(pid)) {
      if (this.#primaries.has(child)) continue;
      if (!this.#targets.has(child)) this.#take(child);
      if (this.#primaries.has(child)) this.#takeWorkers(child);
    }
  }

  /** @param seenAtNs when the facts were read, or before */
  async #consider(facts: ProcessFacts, seenAtNs: number): Promise<void> {
    const { processes } = this.#options;
    const { pid } = facts;
    const before = this.#targets.get(pid);
    if (!before) return this.#begin(facts, seenAtNs);
    const sinceNs = processes.sinceNs(pid);
    const isNoted = sinceNs > before.seenAtNs;
    if (!isNoted && isSameProgram(before.facts, facts)) {
      before.sureAtNs = seenAtNs;
      return;
    }
    // The kernel lost the event.
    if (!isNoted) processes.replaced(pid, before.sureAtNs, monotonicNs());
    let begun: Promise<void> | undefined;
    this.#forget(pid, isNoted ? sinceNs : before.sureAtNs, () => {
      begun = this.#begin(facts, seenAtNs);
    });
    await begun;
  }

  async #begin(facts: ProcessFacts, seenAtNs: number): Promise<void> {
    const { binaries } = this.#options;
    const { pid } = facts;
    this.#ended.makeWay(pid);
    const startedAt = performance.now();
    const file = executableFile(facts);
    const program = file && binaries.add(pid, file);
    const known = file && binaries.known(file.identity);
    if (!program) {
      if (!known?.nothing) this.#foresight.count();
      else if (known.loadsLibraries) await this.#lookForLibraries(pid);
      return;
    }
    const target: Target = { facts, seenAtNs, sureAtNs: seenAtNs, files: [program] };
    this.#targets.set(pid, target);
    this.#options.processes.selected(pid);
    await program.ready;
    if (this.#targets.get(pid) !== target) return;
    binaries.checkCopy(facts);
    this.#dropLeftAlone(pid, target);
    this.#learn(target);
    if (program.running) this.#tell(target, [program], startedAt);
    if (program.inspection?.loadsLibraries) await this.#lookForLibraries(pid);
    else this.#libraries.delete(pid);
  }

  /** Attaches libraries that a process has loaded since. */
  async #lookForLibraries(pid: number): Promise<void> {
    const { definitions, binaries, processes } = this.#options;
    if (!this.#wantsLibraries) return;
    this.#libraries.settled(pid);
    let target = this.#targets.get(pid);
    // It may run a copy of its code since.
    if (target) binaries.checkCopy(target.facts);
    const startedAt = performance.now();
    const seenAtNs = monotonicNs();
    const wanted = libraryFiles({ pid, exe: undefined }, (path) => wantsLibrary(definitions, path));
    if (wanted.length === 0) {
      if (!existsSync(`/proc/${pid}`)) this.#libraries.delete(pid);
      return;
    }
    const facts = readProcess(pid);
    if (!facts) return;
    // It is another program, whose event is still on the way.
    if (target && (target.seenAtNs < processes.sinceNs(pid) || !isSameProgram(target.facts, facts))) return;
    if (!target && !this.#isSelected(facts)) return;
    const known = new Set(target?.files);
    const files = wanted
      .filter(({ path }) => path !== facts.exe?.path)
      .map((file) => binaries.add(pid, file))
      .filter((file) => file !== undefined)
      .filter((file) => !known.has(file));
    if (files.length === 0) return;
    target ??= { facts, seenAtNs, sureAtNs: seenAtNs, files: [] };
    target.files.push(...files);
    this.#targets.set(pid, target);
    processes.selected(pid);
    await Promise.all(files.map(({ ready }) => ready));
    if (this.#targets.get(pid) !== target) return;
    this.#dropLeftAlone(pid, target);
    this.#learn(target);
    this.#tell(
      target,
      files.filter(({ running }) => running),
      startedAt,
    );
  }

  /** Drops the files that no definition is for, and the process if it has no others. */
  #dropLeftAlone(pid: number, { files }: Target): void {
    files.splice(0, files.length, ...files.filter(({ running }) => running));
    if (files.length === 0) this.#targets.delete(pid);
  }

  /** A process with spans that no event came for yet: its exec event is still on the way, or it was forked from a target. */
  #unseen(pid: number): Target | 'other' | undefined {
    if (pid === process.pid) return 'other';
    const seenAtNs = monotonicNs();
    const facts = readProcess(pid);
    if (!facts) return undefined;
    if (!this.#isSelected(facts) && !this.#isFork(facts)) return 'other';
    // This runs up to where it waits for a file. This file is attached already, so the target exists afterwards.
    void this.#options.guard.settle('a process with spans', () => this.#consider(facts, seenAtNs));
    return this.#targets.get(pid);
  }

  /** At once if there was no sweep lately, otherwise with the next one. */
  #sweepSoon(pid: number, endNs: number): void {
    this.#ended.add(pid, endNs);
    if (this.#sweepIsNear || performance.now() - this.#sweptAtMs < sweepMs) return;
    this.#sweepIsNear = true;
    this.#timers.after(collectMs, 'the requests of ended processes', () => this.#sweep());
  }

  #sweep(): void {
    this.#sweepIsNear = false;
    if (this.#ended.isEmpty) return;
    this.#sweptAtMs = performance.now();
    void this.#options.guard.settle('the requests of ended processes', () => this.#ended.sweepInTurns());
  }

  /**
   * @param endNs when the program ended. What its pid does later is another's
   * @param follow adds what the pid runs now. A file that both programs run keeps its probes
   */
  #forget(pid: number, endNs: number, follow = () => {}): void {
    const { binaries } = this.#options;
    const target = this.#targets.get(pid);
    this.#targets.delete(pid);
    binaries.leave(pid);
    if (target) tellEnded(this.#options.notify, target);
    if (target && isTraced(target)) this.#ended.add(pid, endNs);
    try {
      follow();
    } finally {
      binaries.settle(pid);
    }
  }

  /**
   * Asks a new target what it says of itself, because it may end before its first span is read. Forks are not asked: a host can have hundreds
   * of them, and most never have a span.
   */
  #learn(target: Target): void {
    if (isTraced(target) && !this.#isFork(target.facts)) this.#options.processes.learn(target.facts.pid);
  }

  #tell(target: Target, files: readonly RunningFile[], startedAt: number): void {
    const { notify, rules, guard } = this.#options;
    tellAttached(notify, target, files, {
      isFork: this.#isFork(target.facts),
      isNamed: rules.pids.length + rules.exeGlobs.length + rules.ports.length > 0,
      ms: Math.round(performance.now() - startedAt),
    });
    const mayHaveSdk = files.some(({ attachments }) => attachments.some(({ decision }) => decision.instrumentedBy));
    if (!mayHaveSdk) return;
    // The file may have been attached before this process came.
    void guard.settle('a look for SDKs', () => this.#lookForSdks());
    if (this.#sdkLookIsNear) return;
    this.#sdkLookIsNear = true;
    this.#timers.after(sdkLookMs, 'a look for SDKs', () => {
      this.#sdkLookIsNear = false;
      void guard.settle('a look for SDKs', () => this.#lookForSdks());
    });
  }

  /** Leaves files alone whose processes have begun to make the same spans themselves. */
  async #lookForSdks(): Promise<void> {
    const { binaries, notify } = this.#options;
    for (const { file, detail } of await binaries.lookForSdks()) tellLeftToSdk(notify, file, detail);
  }

  /**
   * Whether it was forked from a target and is still the same program, like the sessions of PostgreSQL, of which a host can have hundreds.
   */
  #isFork({ ppid, exe }: ProcessFacts): boolean {
    const parent = this.#targets.get(ppid)?.facts.exe;
    return parent !== undefined && parent.ino === exe?.ino && parent.dev === exe.dev;
  }
}
