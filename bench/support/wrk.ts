import { join } from 'node:path';
import { runProcess } from '../../test/support/process.ts';

/** One way to load the server. */
export interface Load {
  readonly name: string;
  readonly threads: number;
  readonly connections: number;
  /** Mean pause of a connection before each request, in milliseconds. Absent: as fast as possible. */
  readonly pauseMs?: number;
}

export interface WrkResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const script = join(import.meta.dirname, '..', 'wrk-report.lua');

/** Fails with the command that installs wrk, if it is missing. */
export async function requireWrk(): Promise<void> {
  await runProcess('wrk', ['--version']).catch((cause: unknown) => {
    throw new Error('wrk is missing. Install it: sudo apt-get install wrk', { cause });
  });
}

/**
 * Loads a URL for some seconds, each request with these headers. Any failed request fails the run, because a benchmark of errors says
 * nothing.
 */
export async function wrk(
  url: string,
  load: Load,
  seconds: number,
  headers: readonly string[] = [],
): Promise<WrkResult> {
  const pause = load.pauseMs === undefined ? [] : ['--', String(load.pauseMs)];
  // wrk takes whole seconds.
  const duration = `-d${Math.max(1, Math.round(seconds))}s`;
  const fixed = [`-t${load.threads}`, `-c${load.connections}`, duration, '-s', script];
  const args = [...fixed, ...headers.flatMap((header) => ['-H', header]), url, ...pause];
  const { code, stdout, stderr } = await runProcess('wrk', args, { deadlineMs: (seconds + 30) * 1000 });
  const line = /^\{.*\}$/m.exec(stdout)?.[0];
  if (code !== 0 || line === undefined) throw new Error(`wrk ${args.join(' ')} failed: ${stdout}${stderr}`);
  const result = JSON.parse(line) as WrkResult & { readonly errors: number };
  if (result.errors > 0) throw new Error(`wrk counted ${result.errors} errors in ${result.requests} requests`);
  return result;
}
