import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program prints a line at its start in less than a second, or a minute in an emulated machine. */
const slowestMs = 60_000;

/** How a process ended: exactly one of the two is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Added to (or, when undefined, taken from) this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Runs as this user in place of root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Standard input stays open until this process ends. Otherwise it is empty. */
  readonly lifeline?: boolean;
}

/** A started process. It dies with this one: when Node exits, it kills whatever still runs. */
export interface RunningProcess {
  readonly pid: number;
  /** Everything written so far, the last 8 MiB of it. */
  stdout(): string;
  stderr(): string;
  /** The first line, on stdout or stderr, past or future, that matches. Rejects at the deadline or when the process ends. */
  waitForLine(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>;
  readonly exited: Promise<Exit>;
  /** Sends SIGTERM (or another signal), and SIGKILL if that was not enough. Idempotent. */
  stop(graceMs?: number, signal?: NodeJS.Signals): Promise<Exit>;
}

const maxCollectedChars = 8 * 1024 * 1024;
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * A program that was just copied can be busy: another process that is being forked at this moment has the descriptor that wrote it, until it
 * executes its own program.
 */
async function spawnOnceClosed(command: string, args: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const deadline = performance.now() + 5000;
  for (;;) {
    try {
      return spawn(command, args, options);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ETXTBSY')) throw error;
      if (performance.now() > deadline) throw error;
      await sleep(5);
    }
  }
}

/** Starts a program (no shell). Rejects if it can't be executed. */
export async function startProcess(
  command: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<RunningProcess> {
  const child = await spawnOnceClosed(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    ...options.user,
    stdio: [options.lifeline ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} has no pid`);
  running.add(child);

  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(-maxCollectedChars);
      for (const check of watchers) check();
    });
  }

  let ended: Exit | undefined;
  // 'close' comes after the last byte of output; 'exit' would not wait for it.
  const exited = once(child, 'close').then(([code, signal]): Exit => {
    running.delete(child);
    ended = { code, signal };
    for (const check of watchers) check();
    return ended;
  });

  const tail = () => `\nstdout: ${output.stdout.slice(-2000)}\nstderr: ${output.stderr.slice(-2000)}`;

  const waitForLine = (pattern: RegExp, deadlineMs = slowestMs) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const finish = (act: () => void) => {
        watchers.delete(check);
        clearTimeout(deadline);
        act();
      };
      const check = () => {
        for (const text of [output.stdout, output.stderr]) {
          const whole = ended ? text : text.slice(0, text.lastIndexOf('\n') + 1);
          for (const line of whole.split('\n')) {
            const match = new RegExp(pattern.source, pattern.flags.replace('g', '')).exec(line);
            if (match) return finish(() => resolve(match));
          }
        }
        if (ended) {
          const how = ended.signal ?? `code ${ended.code}`;
          finish(() => reject(new Error(`${command} ended (${how}) before a line like ${pattern}${tail()}`)));
        }
      };
      const deadline = setTimeout(() => {
        finish(() => reject(new Error(`${command}: no line like ${pattern} within ${deadlineMs} ms${tail()}`)));
      }, deadlineMs);
      watchers.add(check);
      check();
    });

  const stop = async (graceMs = 10_000, signal: NodeJS.Signals = 'SIGTERM') => {
    if (ended) return ended;
    child.kill(signal);
    const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
    try {
      return await exited;
    } finally {
      clearTimeout(kill);
    }
  };

  return { pid, stdout: () => output.stdout, stderr: () => output.stderr, waitForLine, exited, stop };
}

/** Runs a program to its end. A non-zero exit does not reject, but it rejects if the program can't start or outlives the deadline. */
export async function runProcess(
  command: string,
  args: readonly string[] = [],
  options: StartOptions & { readonly deadlineMs?: number } = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const deadlineMs = options.deadlineMs ?? 60_000;
  const child = await startProcess(command, args, options);
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    void child.stop(1000);
  }, deadlineMs);
  const exit = await child.exited;
  clearTimeout(deadline);
  if (late)
    throw new Error(`${command} ${args.join(' ')} took longer than ${deadlineMs} ms: ${child.stderr().slice(-2000)}`);
  return { ...exit, stdout: child.stdout(), stderr: child.stderr() };
}
