import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program that takes commands on stdin, one per line, and answers each with a line. */
export interface Commanded {
  readonly pid: number;
  /** Resolves with the answer. Rejects if the program ends instead. */
  ask(command: string): Promise<string>;
  /** Closes its stdin and waits for its end. Gives the exit code, or the signal. */
  stop(): Promise<number | NodeJS.Signals>;
  readonly exited: Promise<number | NodeJS.Signals>;
}

/** Starts it and waits for its first line, `ready`. */
export async function startCommanded(
  command: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Commanded> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'close').then(([code, signal]) => {
    process.off('exit', kill);
    return code ?? signal;
  });
  // A program that died reads nothing more.
  child.stdin.on('error', () => {});
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ended: ${await exited}`);
    return value;
  };
  const first = await answer();
  if (first !== 'ready') throw new Error(`${command} began with ${first}`);
  return {
    pid: child.pid!,
    exited,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      return answer();
    },
    async stop() {
      child.stdin.end();
      return exited;
    },
  };
}
