import { basename } from 'node:path';
import picomatch from 'picomatch';
import { listeningPorts } from './listening-ports.ts';
import type { ProcessFacts } from './process-facts.ts';

/** A process is selected if any of `pids`, `exeGlobs`, `ports` names it, or if all three are empty. */
export interface TargetRules {
  readonly pids: readonly number[];
  /** Matched against the executable's path and against its last part. `*` also matches slashes: `/opt/*` is everything below /opt. */
  readonly exeGlobs: readonly string[];
  /** TCP ports that it listens on. */
  readonly ports: readonly number[];
  /** As `exeGlobs`. They win over all other rules. */
  readonly excludeExeGlobs: readonly string[];
}

type PathMatcher = (path: string) => boolean;

/** The rules, compiled: making matchers of globs takes longer than matching. */
export class TargetSelector {
  readonly #rules: TargetRules;
  readonly #pids: Set<number>;
  readonly #ports: ReadonlySet<number>;
  readonly #named: PathMatcher;
  readonly #excluded: PathMatcher;

  constructor(rules: TargetRules) {
    this.#rules = rules;
    this.#pids = new Set(rules.pids);
    this.#ports = new Set(rules.ports);
    this.#named = pathMatcher(rules.exeGlobs);
    this.#excluded = pathMatcher(rules.excludeExeGlobs);
  }

  /**
   * The processes that the rules select, in the given order. It never selects this program itself, or what it started from its own
   * executable.
   * @param self the pid of this program
   * @param portsOf called only if no cheaper rule selected the process
   */
  select(
    processes: readonly ProcessFacts[],
    self: number = process.pid,
    portsOf: (pid: number) => readonly number[] = listeningPorts,
  ): ProcessFacts[] {
    const own = ownProcesses(processes, self);
    return processes.filter(({ pid, exe }) => {
      if (own.has(pid) || (exe && this.#excluded(exe.path))) return false;
      if (this.#isEverything() || this.#pids.has(pid) || (exe && this.#named(exe.path))) return true;
      return this.#ports.size > 0 && portsOf(pid).some((port) => this.#ports.has(port));
    });
  }

  /** A process has ended. Its pid may come again, and the rules did not mean that process. */
  ended(pid: number): void {
    this.#pids.delete(pid);
  }

  /** Whether the rules select every process of the program at this path. */
  names(path: string): boolean {
    return !this.#excluded(path) && (this.#isEverything() || this.#named(path));
  }

  /** Whether the rules can select some process of the program at this path. */
  canSelect(path: string): boolean {
    if (this.#excluded(path)) return false;
    return this.#isEverything() || this.#rules.pids.length + this.#ports.size > 0 || this.#named(path);
  }

  #isEverything(): boolean {
    const { pids, ports, exeGlobs } = this.#rules;
    return pids.length + ports.length + exeGlobs.length === 0;
  }
}

/** See TargetSelector.select. */
export function selectTargets(
  processes: readonly ProcessFacts[],
  rules: TargetRules,
  self?: number,
  portsOf?: (pid: number) => readonly number[],
): ProcessFacts[] {
  return new TargetSelector(rules).select(processes, self, portsOf);
}

function pathMatcher(globs: readonly string[]): PathMatcher {
  if (globs.length === 0) return () => false;
  const matches = picomatch([...globs], { bash: true, dot: true, nonegate: true });
  return (path) => matches(path) || matches(basename(path));
}

/** This program, and its descendants that run the same file, such as its workers. */
function ownProcesses(processes: readonly ProcessFacts[], self: number): ReadonlySet<number> {
  const own = new Set([self]);
  const exe = processes.find((facts) => facts.pid === self)?.exe;
  // A child can have a smaller pid than its parent once pids have wrapped around. So repeat until nothing is new.
  for (let before = 0; before !== own.size; ) {
    before = own.size;
    for (const facts of processes) {
      if (own.has(facts.ppid) && exe && facts.exe?.ino === exe.ino && facts.exe.dev === exe.dev) own.add(facts.pid);
    }
  }
  return own;
}
