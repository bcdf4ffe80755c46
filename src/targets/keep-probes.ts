import { type TargetRules, TargetSelector } from '../discovery/processes/select-targets.ts';

/** Without rules, every program of the host is wanted. Most run once. */
const unruledMs = 60_000;

/**
 * How long the probes on the program at a path stay after its last process, in ms, so that its next one has them from the start. A program
 * that a rule for executables names keeps them.
 */
export function keepProbesMs(rules: TargetRules): (path: string) => number {
  const { pids, exeGlobs, ports } = rules;
  const named = new TargetSelector({ ...rules, pids: [], ports: [] });
  if (exeGlobs.length > 0) return (path) => (named.canSelect(path) ? Number.POSITIVE_INFINITY : 0);
  return () => (pids.length + ports.length > 0 ? 0 : unruledMs);
}
