/**
 * What the agent costs a host on which programs come and go that it does not trace: some 100 short ones a second, among them a large Go
 * program, or as many forks of a shell. Prints its share of a core, from /proc/PID/stat.
 * Run as root: node bench/exec-storm.ts [SECONDS [STARTS_A_SECOND]]
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startAgent } from './support/agent.ts';
import { buildPrograms } from './support/programs.ts';
import { startReceiver } from './support/receiver.ts';
import { alignTable } from './support/table.ts';
import { cpuSnapshot, memoryUse } from './support/usage.ts';

const seconds = Number(process.argv[2] ?? 20);
const perSecond = Number(process.argv[3] ?? 100);

/** A Go program of some 20 MB that builds start by the hundred, without any library that uspan knows. */
const compiler = join(execFileSync('go', ['env', 'GOTOOLDIR']).toString().trim(), 'compile');

/** What scripts and builds start: small C programs, a shell, and one time in ten the Go program. */
const commands: readonly (readonly [string, ...string[]])[] = [
  ...([['/bin/true'], ['/bin/ls', '/'], ['/bin/cat', '/dev/null'], ['/bin/sh', '-c', ':'], ['/bin/date']] as const),
  ...([['/bin/uname'], ['/usr/bin/env', 'true'], ['/bin/echo'], ['/usr/bin/id']] as const),
  [compiler, '-V'],
];

/** Starts the `n`th. */
type Start = (n: number) => void;

/** Calls `start` at an even pace until `untilMs`. Returns how often. */
async function storm(start: Start, untilMs: number): Promise<number> {
  const from = performance.now();
  let started = 0;
  for (; performance.now() < untilMs; started++) {
    start(started);
    await pause(Math.max(0, from + ((started + 1) * 1000) / perSecond - performance.now()));
  }
  return started;
}

const startProgram: Start = (n) => {
  const [command, ...args] = commands[n % commands.length]!;
  spawn(command, args, { stdio: 'ignore' }).on('error', (error) => {
    throw error;
  });
};

// A subshell for each line that it reads: a process without a program of its own.
const shell = spawn('/bin/sh', ['-c', 'while read -r _; do ( : ); done'], { stdio: ['pipe', 'ignore', 'ignore'] });
const forkShell: Start = () => void shell.stdin.write('\n');

/** Processes and threads since boot (`processes` of /proc/stat). What else the machine starts is in the agent's share, too. */
function startedOnHost(): number {
  return Number(/^processes (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))![1]);
}

/** Rules without a name, but for what may run here beside it. */
const elsewhere = ['*/node', '/tmp/*', '*/build/*', '*/.cache/*'].map((glob) => `--exclude-exe=${glob}`);

const { receiver: receiverPath } = await buildPrograms();
const receiver = await startReceiver(receiverPath);
const rows: string[][] = [
  ['rules', 'starts of', 'a second', 'on the host', 'agent CPU, % of a core', 'RSS, MiB', 'attached'],
];
for (const [rules, args, what, start] of [
  ['none', elsewhere, 'programs', startProgram],
  ['--exe', ['--exe', '/nowhere/*'], 'programs', startProgram],
  // Nothing listens on port 1. Whatever starts could.
  ['--port', ['--port', '1'], 'programs', startProgram],
  ['--port', ['--port', '1'], 'forks', forkShell],
  ['--port', ['--port', '1'], 'nothing', () => {}],
] as const) {
  const agent = await startAgent(receiver, args);
  try {
    // In the first round, the agent meets everything for the first time.
    await storm(start, performance.now() + 3000);
    const { pid } = agent.process;
    const [before, startedBefore] = [cpuSnapshot(pid).ticks, startedOnHost()];
    const from = performance.now();
    const started = await storm(start, from + seconds * 1000);
    const ms = performance.now() - from;
    const onHost = startedOnHost() - startedBefore;
    const cpuMs = (cpuSnapshot(pid).ticks - before) * 10;
    rows.push([
      rules,
      what,
      what === 'nothing' ? '0' : ((started * 1000) / ms).toFixed(0),
      ((onHost * 1000) / ms).toFixed(0),
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
shell.stdin.end();
await receiver.stop();
process.stdout.write(`${alignTable(rows)}\n`);
