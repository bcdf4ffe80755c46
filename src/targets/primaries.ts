import { listeningPorts } from '../discovery/processes/listening-ports.ts';
import type { ProcessFacts } from '../discovery/processes/process-facts.ts';
import type { TargetRules } from '../discovery/processes/select-targets.ts';
import { programIdentity } from '../probes/attach/process-files.ts';

/** How a process is seen, for tests in place of /proc. */
export interface ProcessView {
  portsOf(pid: number): readonly number[];
  /** What tells programs apart. Undefined if the process is gone. */
  programOf(pid: number): string | undefined;
}

const fromProc: ProcessView = { portsOf: listeningPorts, programOf: programIdentity };

/**
 * Processes that rules select one by one, by their pid or because they listen, and their workers: children that run the same program, like
 * those of `node:cluster`, PM2 and servers that fork. A process that listens is here even if no definition is for it, because it may hand on
 * its socket.
 */
export class Primaries {
  readonly #ports: ReadonlySet<number>;
  readonly #view: ProcessView;
  readonly #pids: Set<number>;

  constructor({ pids, ports }: Pick<TargetRules, 'pids' | 'ports'>, view: ProcessView = fromProc) {
    this.#ports = new Set(ports);
    this.#pids = new Set(pids);
    this.#view = view;
  }

  get size(): number {
    return this.#pids.size;
  }

  has(pid: number): boolean {
    return this.#pids.has(pid);
  }

  /** The process has ended. */
  delete(pid: number): void {
    this.#pids.delete(pid);
  }

  /** It listens on a port. False: no rule names that. */
  listens(pid: number, port: number): boolean {
    if (!this.#ports.has(port)) return false;
    this.#pids.add(pid);
    return true;
  }

  /** The ports that a process listens on. It becomes a primary if rules name one of them. */
  portsOf(pid: number): readonly number[] {
    const ports = this.#view.portsOf(pid);
    for (const port of ports) this.listens(pid, port);
    return ports;
  }

  /** Whether it is the worker of a primary. Then it becomes one, because it can have workers of its own. */
  isWorker({ pid, ppid }: Pick<ProcessFacts, 'pid' | 'ppid'>): boolean {
    if (!this.#pids.has(ppid)) return false;
    const program = this.#view.programOf(pid);
    if (program === undefined || program !== this.#view.programOf(ppid)) return false;
    this.#pids.add(pid);
    return true;
  }

  /** Those of all processes that are workers, and their workers. */
  workersAmong(all: readonly ProcessFacts[]): ReadonlySet<ProcessFacts> {
    const workers = new Set<ProcessFacts>();
    if (this.#pids.size === 0) return workers;
    // A worker can have a smaller pid than its primary once pids have wrapped around. So repeat until nothing is new.
    for (let before = -1; before !== workers.size; ) {
      before = workers.size;
      for (const facts of all) if (!workers.has(facts) && this.isWorker(facts)) workers.add(facts);
    }
    return workers;
  }
}
