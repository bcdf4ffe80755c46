import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../../src/report.ts';
import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import { exportEnv, type Receiver } from './receiver.ts';

/** The uspan agent, running and attached. */
export interface Agent {
  readonly process: RunningProcess;
  /** From its start to its `ready` line, Node's own start included. */
  readonly readyMs: number;
  /** Sends SIGTERM. Gives what the agent wrote to its report file, and how long it took to end. */
  stop(): Promise<{ readonly report: AgentReport; readonly stopMs: number }>;
}

/** The report file as the benchmark reads it. */
export interface AgentReport {
  readonly lost: number;
  /** Spans that the collector took. */
  readonly exported: number;
  readonly all: Report;
}

/** Another build to measure, such as an older one. */
const uspan = process.env.USPAN_BIN || join(import.meta.dirname, '..', '..', 'bin', 'uspan');

export interface AgentStart {
  /** Its `bin/uspan`, if it is not the one built here. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `uspan run` with more arguments and its default protocol, and waits until it is ready. */
export async function startAgent(
  receiver: Receiver,
  args: readonly string[],
  { program = uspan, env }: AgentStart = {},
): Promise<Agent> {
  const dir = await mkdtemp(join(tmpdir(), 'uspan-bench-'));
  const reportFile = join(dir, 'report.json');
  const started = performance.now();
  const child = await startProcess(program, ['run', ...args, '--report', reportFile], {
    env: { ...exportEnv(receiver.httpEndpoint, 'http/protobuf'), ...env },
  });
  try {
    await child.waitForLine(/\bready\b/, 20_000);
  } catch (error) {
    await child.stop();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  const readyMs = performance.now() - started;

  const stop = async () => {
    const from = performance.now();
    const { code, signal } = await child.stop(15_000);
    const stopMs = performance.now() - from;
    try {
      if (code !== 0) throw new Error(`uspan ended with ${signal ?? `code ${code}`}: ${child.stderr().slice(-2000)}`);
      const all = JSON.parse(await readFile(reportFile, 'utf8')) as Report;
      return { report: { lost: all.lostTotal, exported: all.exported, all }, stopMs };
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  };
  return { process: child, readyMs, stop };
}
