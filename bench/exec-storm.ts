/**
 * What the agent costs a host on which programs come and go that it does not trace: some 100 short ones a second, among them a large Go
 * program. Prints its share of a core, from /proc/PID/stat, and how many files it read. Run as root: node bench/exec-storm.ts [SECONDS]
 */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startAgent } from './support/agent.ts';
import { buildPrograms } from './support/programs.ts';
import { startReceiver } from './support/receiver.ts';
import { alignTable } from './support/table.ts';
import { cpuSnapshot, memoryUse } from './support/usage.ts';

const seconds = Number(process.argv[2] ?? 20);
const perSecond = 100;

/** A Go program of some 20 MB that builds start by the hundred, without any library that uspan knows. */
const compiler = join(execFileSync('go', ['env', 'GOTOOLDIR']).toString().trim(), 'compile');

/** What scripts and builds start: small C programs, a shell, and one time in ten the Go program. */
const commands: readonly (readonly [string, ...string[]])[] = [
  ...([['/bin/true'], ['/bin/ls', '/'], ['/bin/cat', '/dev/null'], ['/bin/sh', '-c', ':'], ['/bin/date']] as const),
  ...([['/bin/uname'], ['/usr/bin/env', 'true'], ['/bin/echo'], ['/usr/bin/id']] as const),
  [compiler, '-V'],
];

/** Starts programs at an even pace until `untilMs`. Returns how many. */
async function storm(untilMs: number): Promise<number> {
  const from = performance.now();
  let started = 0;
  for (; performance.now() < untilMs; started++) {
    const [command, ...args] = commands[started % commands.length]!;
    spawn(command, args, { stdio: 'ignore' }).on('error', (error) => {
      throw error;
    });
    await pause(Math.max(0, from + ((started + 1) * 1000) / perSecond - performance.now()));
  }
  return started;
}

const { receiver: receiverPath } = await buildPrograms();
const receiver = await startReceiver(receiverPath);
const rows: string[][] = [['rules', 'programs a second', 'agent CPU, % of a core', 'RSS, MiB', 'attached']];
for (const [rules, args] of [
  ['none', ['*/node', '/tmp/*', '*/build/*', '*/.cache/*'].map((glob) => `--exclude-exe=${glob}`)],
  ['--exe', ['--exe', '/nowhere/*']],
] as const) {
  const agent = await startAgent(receiver, args);
  try {
    // In the first round, the agent meets everything for the first time.
    await storm(performance.now() + 3000);
    const { pid } = agent.process;
    const before = cpuSnapshot(pid).ticks;
    const from = performance.now();
    const started = await storm(from + seconds * 1000);
    const ms = performance.now() - from;
    const cpuMs = (cpuSnapshot(pid).ticks - before) * 10;
    rows.push([
      rules,
      ((started * 1000) / ms).toFixed(0),
      ((100 * cpuMs) / ms).toFixed(2),
      memoryUse(pid).nowMiB.toFixed(0),
      // They are somebody else's, and then the row says little.
      String(agent.process.stderr().split('attached {').length - 1),
    ]);
    await agent.stop();
  } finally {
    await agent.process.stop();
  }
}
await receiver.stop();
process.stdout.write(`${alignTable(rows)}\n`);
