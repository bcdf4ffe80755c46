/**
 * The composition root: the only file that knows every layer. It only wires them: discovery → plan → attach → decode → correlate → span →
 * export.
 */
import { describeError } from './contract/errors.ts';
import type { Notify } from './contract/notify.ts';
import type { Slab } from './contract/span.ts';
import type { ProcessFacts } from './discovery/processes/process-facts.ts';
import type { TargetRules } from './discovery/processes/select-targets.ts';
import { Guard } from './guard.ts';
import type { ClockedSpanWriter } from './otel/clocked-span-writer.ts';
import type { Losses } from './otel/losses.ts';
import type { ExportState, SpanExporter } from './otel/span-exporter.ts';
import { Attacher } from './probes/attach/attacher.ts';
import { Binaries } from './probes/attach/binaries.ts';
import { clockOffsetNs, monotonicNs } from './probes/attach/clock.ts';
import { DrainLoop } from './probes/attach/drain-loop.ts';
import { Inspector } from './probes/attach/inspector.ts';
import type { KernelConfig } from './probes/attach/kernel-config.ts';
import { type Exec, ProcessEvents } from './probes/attach/process-events.ts';
import { releaseMemory } from './probes/attach/release-memory.ts';
import type { KnownBinary } from './probes/attach/running-file.ts';
import { VmaFiles } from './probes/attach/vma-files.ts';
import { Correlator } from './probes/correlate.ts';
import { type DefinitionRecipe, makeDefinitions } from './probes/definitions/recipe.ts';
import { Counter, counterNames } from './probes/layout.gen.ts';
import type { PlanOptions } from './probes/plan.ts';
import { ProbeTable } from './probes/probe-table.ts';
import { ProcessTable } from './probes/process-table.ts';
import { makeReport, type Report } from './report.ts';
import { redactQueryKeys } from './semconv/query-secrets.ts';
import { keepProbesMs } from './targets/keep-probes.ts';
import { Targets } from './targets/targets.ts';
import { Timers } from './targets/timers.ts';

export interface AgentOptions extends PlanOptions {
  readonly version: string;
  readonly rules: TargetRules;
  readonly recipe: DefinitionRecipe;
  readonly kernel: KernelConfig;
  /** `service.name` of every target, in place of its own. */
  readonly serviceName: string | undefined;
  /** Keys of queries whose values are redacted. A `*` at the end of one stands for anything. */
  readonly secretQueryKeys: readonly string[];
  /** Where spans go, including the exporter if there is one. */
  readonly writer: ClockedSpanWriter;
  readonly exporter: SpanExporter | undefined;
  readonly losses: Losses;
  readonly notify: Notify;
}

const housekeepingMs = 1000;
/** Pause between two objects, in which events of processes get their turn. */
const loadPauseMs = 20;
/**
 * Pauses before memory is given back: each is twice as long as the one before. Start-up and the compilers of JavaScript use much of Node.js
 * once. By the first, all programs are loaded. By the last but one, the code of the busiest paths is compiled.
 */
const releasePauseMs = { first: 2000, longest: 60_000 };
/** How long the kernel takes to remove a probe of a perf link. See docs/how-it-works.md, "Stopping". */
const perfDetachMs = 100;
/** More of them take more than some seconds. */
const manyPerfLinks = 30;
/** See ProcessEventOptions. Rules for pids and ports select few of the programs that start, and those once they listen. */
const collectEventsMs = { byProgram: 25, byProcess: 100 };
/** What stop() reserves of its time for the last spans, if detaching takes longer than all of it. */
const lastFlushMs = 2000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #definitions;
  readonly #timers: Timers;
  readonly #attacher: Attacher;
  readonly #vmaFiles: VmaFiles | undefined;
  readonly #inspector: Inspector;
  readonly #binaries: Binaries;
  readonly #targets: Targets;
  readonly #correlator: Correlator;
  readonly #drainLoop: DrainLoop;
  readonly #events: ProcessEvents | undefined;
  readonly #countersSeen: number[] = [];
  readonly #allEnded = Promise.withResolvers<void>();
  #oversizedSeen = 0;
  #processEventsLost = 0;
  #stopping: Promise<Report> | undefined;

  /** Loads the programs and begins to follow processes. @throws UspanError-coded errors if the kernel refuses */
  constructor(options: AgentOptions) {
    this.#options = options;
    const { kernel, losses, rules, notify, recipe, writer } = options;
    redactQueryKeys(options.secretQueryKeys);
    const lose = (stage: string, reason: string, count: number) => losses.add(stage, reason, count);
    const guard = new Guard({ lose, notify });
    const probes = new ProbeTable();
    const processes = new ProcessTable({
      running: (pid, sinceNs) => this.#targets.identify(pid, sinceNs),
      ended: (pid, probeId, sinceNs, untilNs) => this.#targets.identifyEnded(pid, probeId, sinceNs, untilNs),
      catchUp: () => this.#events?.read(),
      nowNs: monotonicNs,
    });
    const definitions = makeDefinitions(recipe);
    this.#definitions = definitions;
    this.#timers = new Timers(guard);
    this.#inspector = new Inspector({ ...options, definitions, onGivenUp: () => lose('agent', 'file_given_up', 1) });
    // It starts while the programs load.
    this.#inspector.warmUp();
    this.#attacher = new Attacher(definitions, kernel, probes);
    this.#vmaFiles = this.#optional('real inodes of overlay files', () => new VmaFiles());
    const filterByProcess = rules.pids.length + rules.ports.length > 0;
    this.#binaries = new Binaries({
      attacher: this.#attacher,
      inspector: this.#inspector,
      vmaFiles: this.#vmaFiles,
      filterByProcess,
      keepMs: keepProbesMs(rules),
      followForks: (pid, isFollowed) => this.#events?.followForks(pid, isFollowed),
      guard,
      drain: () => this.#drainLoop.drain(),
    });
    this.#correlator = new Correlator({
      probes,
      processes,
      writer,
      lose,
      onWriteError: ({ name }, error) =>
        notify('warn', 'a span could not be written; going on', { definition: name, error: describeError(error) }),
    });
    writer.setClockOffsetNs(clockOffsetNs());
    const write = (slab: Slab, length: number) => {
      // After the records: so every program that one of them is of has been noted.
      this.#events?.read();
      this.#correlator.write(slab, length);
    };
    this.#drainLoop = new DrainLoop(this.#attacher, kernel.ringBytes, write, guard);
    this.#targets = new Targets({
      ...options,
      definitions,
      attacher: this.#attacher,
      binaries: this.#binaries,
      probes,
      processes,
      guard,
      onAllEnded: () => this.#allEnded.resolve(),
      knowsListeners: () => this.#events?.knowsAll() ?? false,
      lose,
    });
    this.#releaseMemoryIn(releasePauseMs.first);
    this.#timers.every(housekeepingMs, 'housekeeping', () => this.#housekeep());
    // This comes before the first scan, so that no start in between goes unseen.
    const handlers = {
      note: (pid: number, atNs: number, what: 'exec' | 'exit') => processes[what](pid, atNs),
      exec: (pid: number, exec: Exec) => this.#targets.exec(pid, exec),
      listen: (pid: number, port: number) => this.#targets.listen(pid, port),
      exit: (pid: number, isFork: boolean) => this.#targets.exit(pid, isFork),
      fork: (pid: number) => this.#targets.forked(pid),
      passed: (pid: number, exec: Exec) => this.#targets.passed(pid, exec),
    };
    const isByProcess = filterByProcess && rules.exeGlobs.length === 0;
    const collectMs = isByProcess ? collectEventsMs.byProcess : collectEventsMs.byProgram;
    const wanted = { listens: rules.ports.length > 0, collectMs, targets: this.#attacher.targets };
    this.#events = this.#optional('exec and exit events', () => new ProcessEvents(handlers, guard, wanted));
  }

  /** Looks at every process there is now. Resolves when the new ones are attached. */
  scan(): Promise<void> {
    return this.#targets.scan();
  }

  /**
   * Loads the programs that the runtimes met so far may need next, one at a time: the verifier takes some 30 ms for each, and the first requests
   * of a program that starts later do not wait. What no program here has needed takes no memory of the kernel.
   */
  loadRest(): void {
    const attached = this.binaries().filter(({ attachments }) => attachments.length > 0);
    const runtimes = new Set<string>(attached.flatMap(({ binary }) => binary?.runtime ?? []));
    const rest = this.#definitions.filter(({ runtime }) => runtimes.has(runtime));
    const next = () => {
      const definition = rest.shift();
      if (!definition) return;
      // The verifier blocks this thread, so all of the ring must be free for the spans that come meanwhile.
      this.#drainLoop.drain();
      this.#optional(`the programs of ${definition.name}`, () => this.#attacher.load(definition));
      this.#timers.after(loadPauseMs, 'loading programs', next);
    };
    this.#timers.after(loadPauseMs, 'loading programs', next);
  }

  /** What runs, by file. It leaves out files that no definition is for. */
  binaries(): KnownBinary[] {
    return this.#binaries.all();
  }

  /** Resolves when there is nothing to wait for: the rules name only pids, and those processes have ended, and their workers too. */
  get allEnded(): Promise<void> {
    return this.#allEnded.promise;
  }

  /** Processes with probes on their binary. */
  tracedProcesses(): ProcessFacts[] {
    return this.#targets.traced();
  }

  exportState(): ExportState | undefined {
    return this.#options.exporter?.state();
  }

  /** Detaches, drains and exports, within `withinMs`. A second call returns the first one's promise. */
  stop(withinMs: number): Promise<Report> {
    this.#stopping ??= this.#stop(withinMs);
    return this.#stopping;
  }

  async #stop(withinMs: number): Promise<Report> {
    const deadline = performance.now() + withinMs;
    const { exporter, losses } = this.#options;
    this.#timers.stop();
    this.#targets.stop();
    this.#events?.stop();
    this.#processEventsLost = this.#events?.lost() ?? 0;
    // The queue leaves while the kernel lets go of the probes, which may take longer than there is time.
    void exporter?.flush(withinMs);
    const detached = await this.#detach(Math.max(withinMs / 2, withinMs - lastFlushMs));
    this.#drainLoop.stop();
    this.#drainLoop.drain();
    const unfinished = this.#attacher.sweep(() => true);
    losses.add('bpf', 'unfinished_at_exit', unfinished);
    this.#countLosses();
    await exporter?.shutdown(Math.max(100, deadline - performance.now()));
    const report = this.report();
    losses.close();
    if (detached) await Promise.all([this.#attacher.close(), this.#vmaFiles?.close(), this.#events?.close()]);
    return report;
  }

  /** False: `withinMs` was not enough. The kernel goes on with it when the process ends. */
  async #detach(withinMs: number): Promise<boolean> {
    const { perfLinks } = this.#attacher;
    if (perfLinks > manyPerfLinks) {
      this.#attacher.stopCollecting();
      this.#options.notify(
        'warn',
        'this kernel removes one probe after the other; the agent ends when the last is gone',
        {
          probes: perfLinks,
          seconds: Math.ceil((perfLinks * perfDetachMs) / 1000),
        },
      );
    }
    const probes = this.#binaries.detachFromProcesses().then(() => this.#attacher.detachAll());
    const all = Promise.all([probes, this.#inspector.close()]);
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), withinMs);
    const inTime = await Promise.race([all.then(() => true), late]);
    clearTimeout(timer);
    if (!inTime) {
      const { attached } = this.#attacher;
      this.#options.notify('warn', 'the kernel has not let go of all probes yet; ending all the same', { attached });
    }
    return inTime;
  }

  report(): Report {
    const { version, losses } = this.#options;
    return makeReport({
      version,
      spans: this.#correlator.spans,
      attachments: this.#binaries.attachments(),
      binaries: this.#binaries.all(),
      counters: this.#counters(),
      exporter: this.exportState(),
      losses,
      shortLivedProcesses: this.#targets.shortLived,
      processEventsLost: this.#processEventsLost,
      ownExports: this.#correlator.ownExports,
      filesRead: this.#inspector.filesRead,
      longestDrainGapMs: Math.round(this.#drainLoop.longestGapMs),
    });
  }

  /** The kernel's counters, and what user space adds to them. */
  #counters(): number[] {
    const counters = this.#attacher.counters();
    // The programs do not count what leaves the ring.
    counters[Counter.SPANS] = this.#correlator.records + this.#attacher.oversizedRecords;
    counters[Counter.OTHER_PROCESS]! += this.#correlator.otherProcesses;
    return counters;
  }

  /** Follows clock steps, and logs kernel losses. */
  #housekeep(): void {
    this.#options.writer.setClockOffsetNs(clockOffsetNs());
    this.#countLosses();
    this.#processEventsLost = this.#events?.lost() ?? 0;
  }

  #releaseMemoryIn(pauseMs: number): void {
    this.#timers.after(pauseMs, 'giving memory back', () => {
      releaseMemory();
      this.#releaseMemoryIn(Math.min(2 * pauseMs, releasePauseMs.longest));
    });
  }

  #countLosses(): void {
    const { oversizedRecords } = this.#attacher;
    this.#options.losses.add('bpf', 'record_too_large', oversizedRecords - this.#oversizedSeen);
    this.#oversizedSeen = oversizedRecords;
    this.#attacher.counters().forEach((value, counter) => {
      const name = counterNames[counter]!;
      if (!name.startsWith('lost_')) return;
      this.#options.losses.add('bpf', name.slice('lost_'.length), value - (this.#countersSeen[counter] ?? 0));
      this.#countersSeen[counter] = value;
    });
  }

  /** Something that the agent can do without. It logs if the kernel lacks it. */
  #optional<T>(what: string, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      this.#options.notify('warn', `going on without ${what}`, { error: describeError(error) });
      return undefined;
    }
  }
}
