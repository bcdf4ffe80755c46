/** The composition root: the only file that knows every layer. discovery → plan → attach → decode → correlate → span → export. */
import { existsSync } from 'node:fs';
import type { ProbeDefinition } from './contract/decision.ts';
import { describeError } from './contract/errors.ts';
import type { Resource, Slab } from './contract/span.ts';
import { endedIdentity, identity } from './discovery/processes/identity.ts';
import type { ProcessFacts } from './discovery/processes/process-facts.ts';
import { readProcess } from './discovery/processes/read-process.ts';
import { scanProcesses } from './discovery/processes/scan-processes.ts';
import { selectTargets, type TargetRules } from './discovery/processes/select-targets.ts';
import { Guard } from './guard.ts';
import type { ClockedSpanWriter } from './otel/clocked-span-writer.ts';
import type { Losses, Notify } from './otel/losses.ts';
import type { ExportState, SpanExporter } from './otel/span-exporter.ts';
import { Attacher } from './probes/attach/attacher.ts';
import { Binaries, type KnownBinary } from './probes/attach/binaries.ts';
import { clockOffsetNs } from './probes/attach/clock.ts';
import { DrainLoop } from './probes/attach/drain-loop.ts';
import type { KernelConfig } from './probes/attach/kernel-config.ts';
import { ProcessEvents } from './probes/attach/process-events.ts';
import { movedDetail } from './probes/attach/runs-copy.ts';
import { VmaFiles } from './probes/attach/vma-files.ts';
import { Correlator } from './probes/correlate.ts';
import { Counter, counterNames } from './probes/layout.gen.ts';
import type { PlanOptions } from './probes/plan.ts';
import { ProbeTable } from './probes/probe-table.ts';
import { otherProcess, ProcessTable } from './probes/process-table.ts';
import { makeReport, type Report } from './report.ts';

export interface AgentOptions extends PlanOptions {
  readonly version: string;
  readonly rules: TargetRules;
  readonly definitions: readonly ProbeDefinition[];
  readonly kernel: KernelConfig;
  /** `service.name` of every target, whatever it says itself. */
  readonly serviceName: string | undefined;
  /** Where spans go; the exporter among them, if there is one. */
  readonly writer: ClockedSpanWriter;
  readonly exporter: SpanExporter | undefined;
  readonly losses: Losses;
  readonly notify: Notify;
}

function isTraced({ known }: Target): boolean {
  return known.some(({ attachments }) => attachments.length > 0);
}

function isSameProgram(before: ProcessFacts, now: ProcessFacts | undefined): boolean {
  return before.startBootNs === now?.startBootNs && before.exe?.ino === now.exe?.ino;
}

/** A process that just ended still has spans in the ring. */
const lingerMs = 2000;
const housekeepingMs = 1000;
/** Between two objects: events of processes get their turn. */
const loadPauseMs = 20;
/** The safety net under the exec events. */
const rescanMs = 15_000;
/** With a port rule: a program listens some time after it was started. */
const portRetriesMs = [50, 100, 200, 400, 800, 1600, 3200, 6400];

/** A program's libraries come after it: its loader maps them, or it opens them as it needs them. */
const libraryRetriesMs = [50, 150, 500, 1500, 5000];
/** Targets that a re-scan looks at for libraries loaded since; the others' turn comes with the next. */
const librariesPerRescan = 64;

interface Target {
  readonly facts: ProcessFacts;
  /** Its program first, then libraries. */
  readonly known: readonly KnownBinary[];
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #guard: Guard;
  readonly #probes = new ProbeTable();
  readonly #processes = new ProcessTable((pid, probeId) => this.#identify(pid, probeId));
  readonly #attacher: Attacher;
  readonly #vmaFiles: VmaFiles | undefined;
  readonly #binaries: Binaries;
  readonly #correlator: Correlator;
  readonly #drainLoop: DrainLoop;
  readonly #events: ProcessEvents | undefined;
  readonly #targets = new Map<number, Target>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #countersSeen: number[] = [];
  #shortLived = 0;
  #processEventsLost = 0;
  #stopping: Promise<Report> | undefined;

  /** Loads the programs and begins to follow processes. @throws UspanError-coded errors when the kernel refuses */
  constructor(options: AgentOptions) {
    this.#options = options;
    const { kernel, losses, rules, notify } = options;
    const lose = (stage: string, reason: string, count: number) => losses.add(stage, reason, count);
    this.#guard = new Guard({ lose, notify });
    this.#attacher = new Attacher(options.definitions, kernel, this.#probes);
    this.#vmaFiles = this.#optional('real inodes of overlay files', () => new VmaFiles());
    this.#binaries = new Binaries({
      ...options,
      attacher: this.#attacher,
      vmaFiles: this.#vmaFiles,
      filterByProcess: rules.pids.length + rules.ports.length > 0,
    });
    this.#correlator = new Correlator({
      probes: this.#probes,
      processes: this.#processes,
      writer: options.writer,
      lose,
      onWriteError: ({ name }, error) =>
        notify('warn', 'a span could not be written; going on', { definition: name, error: describeError(error) }),
    });
    options.writer.setClockOffsetNs(clockOffsetNs());
    const handle = (slab: Slab, length: number) => this.#correlator.write(slab, length);
    this.#drainLoop = new DrainLoop(this.#attacher, kernel.ringBytes, handle, this.#guard);
    this.#every(housekeepingMs, () => this.#housekeep());
    // Before the first scan, so that nothing starts unseen in between.
    this.#events = this.#optional(
      'exec and exit events',
      () =>
        new ProcessEvents(
          {
            exec: (pid) => this.#onExec(pid),
            exit: (pid) => this.#onExit(pid),
          },
          this.#guard,
        ),
    );
    this.#every(rescanMs, () => this.scan());
  }

  /** Looks at every process there is now and attaches the new ones. */
  scan(): void {
    const processes = scanProcesses();
    const waiting = [...this.#targets.values()].slice(0, librariesPerRescan);
    for (const facts of selectTargets(processes, this.#options.rules)) this.#consider(facts);
    for (const target of waiting) this.#lookForLibraries(target);
    const alive = new Set(processes.map(({ pid }) => pid));
    for (const pid of this.#targets.keys()) if (!alive.has(pid)) this.#onExit(pid);
    // What programs left that ended before anybody looked at them. One may have started since the list of processes was read.
    const gone = (pid: number) => !alive.has(pid) && !this.#targets.has(pid) && !existsSync(`/proc/${pid}`);
    this.#options.losses.add('bpf', 'process_ended', this.#attacher.sweep(gone));
  }

  /**
   * Loads the programs nothing needed yet, one at a time, for what starts later: the verifier takes some 30 ms for each, and a new program's
   * first requests do not wait.
   */
  loadRest(): void {
    const [...rest] = this.#options.definitions;
    const next = () => {
      const definition = rest.shift();
      if (!definition) return;
      this.#optional(`the programs of ${definition.name}`, () => this.#attacher.load(definition));
      this.#after(loadPauseMs, next);
    };
    this.#after(loadPauseMs, next);
  }

  /** What runs, by file. */
  binaries(): KnownBinary[] {
    return this.#binaries.all();
  }

  /** Processes with probes on their binary. */
  tracedProcesses(): ProcessFacts[] {
    return [...this.#targets.values()].filter(isTraced).map(({ facts }) => facts);
  }

  exportState(): ExportState | undefined {
    return this.#options.exporter?.state();
  }

  /** Stops intake, drains, exports, detaches; within `withinMs`. The second call gives the first's promise. */
  stop(withinMs: number): Promise<Report> {
    this.#stopping ??= this.#stop(withinMs);
    return this.#stopping;
  }

  async #stop(withinMs: number): Promise<Report> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#drainLoop.stop();
    const { exporter, losses } = this.#options;
    const deadline = performance.now() + withinMs;
    this.#processEventsLost = this.#events?.lost() ?? 0;
    await Promise.all([this.#attacher.detachAll(), this.#events?.close()]);
    this.#drainLoop.drain();
    const unfinished = this.#attacher.sweep(() => true);
    losses.add('bpf', 'unfinished_at_exit', unfinished);
    this.#countLosses();
    await exporter?.shutdown(Math.max(100, deadline - performance.now()));
    const report = this.report();
    losses.close();
    await Promise.all([this.#attacher.close(), this.#vmaFiles?.close()]);
    return report;
  }

  report(): Report {
    return makeReport({
      version: this.#options.version,
      spans: this.#correlator.spans,
      attachments: this.#binaries.attachments(),
      binaries: this.#binaries.all(),
      counters: this.#counters(),
      exporter: this.exportState(),
      losses: this.#options.losses,
      shortLivedProcesses: this.#shortLived,
      processEventsLost: this.#processEventsLost,
      ownExports: this.#correlator.ownExports,
    });
  }

  /** The kernel's, and what user space adds to them. */
  #counters(): number[] {
    const counters = this.#attacher.counters();
    counters[Counter.OTHER_PROCESS]! += this.#correlator.otherProcesses;
    return counters;
  }

  #onExec(pid: number): void {
    // The number now runs another program. What the last one left in the ring is still its own.
    const before = this.#targets.get(pid);
    if (before && isTraced(before)) this.#drainLoop.drain();
    if (before) this.#forget(pid);
    this.#processes.forget(pid);
    const { rules } = this.#options;
    // With nothing but pids to go by, other programs are not looked at: hosts can start hundreds a second.
    const byPidOnly = rules.pids.length > 0 && rules.exeGlobs.length + rules.ports.length === 0;
    if (byPidOnly && !rules.pids.includes(pid)) return;
    const take = (): boolean => {
      const facts = readProcess(pid);
      if (!facts) {
        this.#shortLived++;
        return true;
      }
      // Only its own ancestors matter to the rules, and the agent starts no programs.
      const [target] = selectTargets([facts], rules);
      if (target) {
        this.#consider(target);
        // It may end before its first span is read, and what it says of itself with it.
        const taken = this.#targets.get(pid);
        if (taken && isTraced(taken)) this.#processes.resourceOf(pid, -1);
        this.#awaitLibraries(pid);
      }
      return target !== undefined;
    };
    if (take() || rules.ports.length === 0) return;
    const retry = (n: number) => {
      const delay = portRetriesMs[n];
      if (delay === undefined) return;
      this.#after(delay, () => void (readProcess(pid) && (take() || retry(n + 1))));
    };
    retry(0);
  }

  #onExit(pid: number): void {
    const target = this.#targets.get(pid);
    if (!target) {
      const forget = () => {
        if (!this.#targets.has(pid)) this.#processes.forget(pid);
      };
      if (this.#processes.has(pid)) this.#after(lingerMs, forget);
      return;
    }
    // Its spans may still be in the ring; its probes must go at once.
    this.#binaries.remove(pid);
    this.#after(lingerMs, () => {
      if (this.#targets.get(pid) === target) this.#forget(pid);
    });
  }

  #forget(pid: number): void {
    const target = this.#targets.get(pid);
    this.#targets.delete(pid);
    this.#processes.forget(pid);
    this.#binaries.remove(pid);
    if (!target || !isTraced(target)) return;
    this.#options.losses.add(
      'bpf',
      'process_ended',
      this.#attacher.sweep((owner) => owner === pid),
    );
  }

  #consider(facts: ProcessFacts): void {
    const before = this.#targets.get(facts.pid);
    if (before && isSameProgram(before.facts, facts)) return;
    if (before) this.#forget(facts.pid);
    const startedAt = performance.now();
    const known = this.#binaries.add(facts);
    const [program] = known;
    if (!program) {
      this.#shortLived++;
      return;
    }
    this.#targets.set(facts.pid, { facts, known });
    this.#processes.forget(facts.pid);
    this.#tell(facts.pid, program.path, known, startedAt);
  }

  /** Whether it was forked from a target and still is the same program, as the sessions of PostgreSQL are: a host can have hundreds. */
  #isFork(pid: number): boolean {
    const facts = this.#targets.get(pid)?.facts;
    return facts !== undefined && this.#isForkOfTarget(facts);
  }

  #awaitLibraries(pid: number): void {
    const target = this.#targets.get(pid);
    if (!target || !this.#options.definitions.some(({ libraries }) => libraries)) return;
    for (const delay of libraryRetriesMs) {
      this.#after(delay, () => {
        const now = this.#targets.get(pid);
        if (now?.facts === target.facts) this.#lookForLibraries(now);
      });
    }
  }

  /** Attaches libraries that a target has loaded since. */
  #lookForLibraries({ facts, known: before }: Target): void {
    // It may have ended, or become another program that nobody has told of yet.
    if (!isSameProgram(facts, readProcess(facts.pid))) return;
    const startedAt = performance.now();
    const known = this.#binaries.add(facts);
    const [program] = known;
    if (!program) return;
    // To the end of the line.
    this.#targets.delete(facts.pid);
    this.#targets.set(facts.pid, { facts, known });
    const added = known.filter((file) => !before.includes(file));
    if (added.length > 0) this.#tell(facts.pid, program.path, added, startedAt);
  }

  #tell(pid: number, exe: string, files: readonly KnownBinary[], startedAt: number): void {
    const { notify } = this.#options;
    for (const { path, failures, error, moved } of files) {
      if (moved.has(pid)) notify('warn', 'not traced', { process: pid, exe, error: movedDetail });
      for (const failure of failures) {
        notify('warn', 'could not attach', { process: pid, exe, file: path, error: failure.error });
      }
      if (error) notify('debug', 'not attached', { process: pid, exe, file: path, error: error.message });
    }
    const attachments = files.flatMap(({ attachments }) => attachments);
    if (attachments.length === 0) return;
    notify(this.#isFork(pid) ? 'debug' : 'info', 'attached', {
      process: pid,
      exe,
      definitions: attachments.map(({ decision }) => decision.definition.name).join(', '),
      ms: Math.round(performance.now() - startedAt),
    });
  }

  /** The resource of a process whose first span has come. */
  #identify(pid: number, probeId: number): Resource | undefined {
    const target = this.#targets.get(pid) ?? this.#unseen(pid);
    if (target === 'other') return otherProcess;
    const { version, serviceName } = this.#options;
    const options = { agentVersion: version, serviceName };
    if (target) return identity(target.facts, { ...options, binary: target.known[0]?.binary });
    // It ended before it could be looked at: all that is known is what it ran.
    const binary = this.#probes.binaryOf(probeId);
    return binary && endedIdentity(pid, binary.path, { ...options, binary });
  }

  /** A process that has spans before anybody told of it: its exec event is still on the way, or it was forked from a target. */
  #unseen(pid: number): Target | 'other' | undefined {
    const facts = readProcess(pid);
    if (!facts) return undefined;
    if (selectTargets([facts], this.#options.rules).length === 0 && !this.#isForkOfTarget(facts)) return 'other';
    this.#consider(facts);
    return this.#targets.get(pid);
  }

  #isForkOfTarget({ ppid, exe }: ProcessFacts): boolean {
    const parent = this.#targets.get(ppid)?.facts.exe;
    return parent !== undefined && parent.ino === exe?.ino && parent.dev === exe.dev;
  }

  /** Follows clock steps, and gives kernel losses a voice. */
  #housekeep(): void {
    this.#options.writer.setClockOffsetNs(clockOffsetNs());
    this.#countLosses();
    this.#processEventsLost = this.#events?.lost() ?? 0;
  }

  #countLosses(): void {
    this.#attacher.counters().forEach((value, counter) => {
      const name = counterNames[counter]!;
      if (!name.startsWith('lost_')) return;
      this.#options.losses.add('bpf', name.slice('lost_'.length), value - (this.#countersSeen[counter] ?? 0));
      this.#countersSeen[counter] = value;
    });
  }

  /** Something the agent does without where the kernel lacks it, and says so. */
  #optional<T>(what: string, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      this.#options.notify('warn', `going on without ${what}`, { error: describeError(error) });
      return undefined;
    }
  }

  #every(ms: number, run: () => void): void {
    this.#timers.add(setInterval(() => this.#guard.run('regular work', run), ms));
  }

  #after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#guard.run('delayed work', run);
    }, ms);
    this.#timers.add(timer);
  }
}
