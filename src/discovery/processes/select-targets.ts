import { basename } from 'node:path';
import picomatch from 'picomatch';
import { listeningPorts } from './listening-ports.ts';
import type { ProcessFacts } from './process-facts.ts';

/** A process is taken when any of `pids`, `exeGlobs`, `ports` names it, or when all three are empty. */
export interface TargetRules {
  readonly pids: readonly number[];
  /** Matched against the executable's path and its last part. `*` also takes slashes: `/opt/*` is everything below /opt. */
  readonly exeGlobs: readonly string[];
  /** TCP ports it listens on. */
  readonly ports: readonly number[];
  /** As `exeGlobs`; goes before all others. */
  readonly excludeExeGlobs: readonly string[];
}

type Matches = (facts: ProcessFacts) => boolean;

/**
 * The processes the rules choose, in the order given. Never this program itself, nor what it started from its own executable.
 * @param self the pid of this program
 * @param portsOf asked only where no cheaper rule took the process
 */
export function selectTargets(
  processes: readonly ProcessFacts[],
  rules: TargetRules,
  self: number = process.pid,
  portsOf: (pid: number) => readonly number[] = listeningPorts,
): ProcessFacts[] {
  const pids = new Set(rules.pids);
  const ports = new Set(rules.ports);
  const everything = pids.size + ports.size + rules.exeGlobs.length === 0;
  const named = exeMatcher(rules.exeGlobs);
  const excluded = exeMatcher(rules.excludeExeGlobs);
  const own = ownProcesses(processes, self);
  return processes.filter(
    (facts) =>
      !own.has(facts.pid) &&
      !excluded(facts) &&
      (everything ||
        pids.has(facts.pid) ||
        named(facts) ||
        (ports.size > 0 && portsOf(facts.pid).some((port) => ports.has(port)))),
  );
}

function exeMatcher(globs: readonly string[]): Matches {
  if (globs.length === 0) return () => false;
  const matches = picomatch([...globs], { bash: true, dot: true, nonegate: true });
  return ({ exe }) => exe !== undefined && (matches(exe.path) || matches(basename(exe.path)));
}

/** This program and its descendants that run the same file, such as its workers. */
function ownProcesses(processes: readonly ProcessFacts[], self: number): ReadonlySet<number> {
  const own = new Set([self]);
  const exe = processes.find((facts) => facts.pid === self)?.exe;
  // A child can have a smaller pid than its parent once pids have wrapped around: repeat until nothing is new.
  for (let before = 0; before !== own.size; ) {
    before = own.size;
    for (const facts of processes) {
      if (own.has(facts.ppid) && exe && facts.exe?.ino === exe.ino && facts.exe.dev === exe.dev) own.add(facts.pid);
    }
  }
  return own;
}
