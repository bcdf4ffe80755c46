import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import type { Report } from '../../src/report.ts';
import { type Exit, startProcess } from './process.ts';

export interface AgentOptions {
  readonly pids?: readonly number[];
  readonly exeGlobs?: readonly string[];
  readonly ports?: readonly number[];
  /** Where spans go: OtlpReceiver.endpoint. */
  readonly endpoint: string;
  /** Default: the agent's own. */
  readonly protocol?: 'grpc' | 'http/protobuf';
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Without `--allow-second`. */
  readonly refuseSecond?: boolean;
  /** More flags of `uspan run`. */
  readonly extra?: readonly string[];
  /** What starts it, such as `setpriv …`: these words come before the program's own name. */
  readonly launcher?: readonly string[];
  /** What to start in place of bin/uspan: the words in front of `run`. */
  readonly program?: readonly string[];
}

export interface StoppedAgent extends Exit {
  /** Undefined if it ended without one. */
  readonly report: Report | undefined;
  readonly stderr: string;
}

/** `uspan run` as a user starts it: a process of its own that a signal stops. */
export interface RunningAgent {
  readonly pid: number;
  /** Spans, with `--json`. */
  stdout(): string;
  stderr(): string;
  /** Resolves when its log says that this process has its probes. */
  attached(pid: number, deadlineMs?: number): Promise<void>;
  /** Sends SIGTERM. Gives its report. Rejects if there is none, or if its exit code does not say whether spans did not get out. */
  stop(): Promise<StoppedAgent & { readonly report: Report }>;
  /** Resolves with its end, of any kind. */
  readonly exited: Promise<StoppedAgent>;
  /** Sends SIGKILL. Resolves when it is gone. */
  kill9(): Promise<void>;
}

/** Another build to test, such as an installed one. */
const program = process.env.USPAN_BIN || join(import.meta.dirname, '..', '..', 'bin', 'uspan');
/** Start-up takes 0.3 s, or 20 s in an emulated machine. */
const readyDeadlineMs = 120_000;

/** Starts the agent and waits only for its process: for start-ups that must fail. */
export async function launchAgent(options: AgentOptions): Promise<RunningAgent & { ready(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'uspan-agent-'));
  // A launcher may make it another user.
  if (options.launcher) await chmod(directory, 0o777);
  const reportFile = join(directory, 'report.json');
  const flags = [
    ...(options.pids ?? []).map((pid) => `--pid=${pid}`),
    ...(options.exeGlobs ?? []).map((glob) => `--exe=${glob}`),
    ...(options.ports ?? []).map((port) => `--port=${port}`),
    `--report=${reportFile}`,
    // Tests share the programs of the machine, such as PostgreSQL's, with whoever else traces these.
    ...(options.refuseSecond ? [] : ['--allow-second']),
    ...(options.extra ?? []),
  ];
  const [command, ...args] = [...(options.launcher ?? []), ...(options.program ?? [program]), 'run', ...flags];
  const child = await startProcess(command!, args, {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: options.endpoint,
      ...(options.protocol && { OTEL_EXPORTER_OTLP_PROTOCOL: options.protocol }),
      // Tests wait for spans, so send them soon.
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...options.env,
    },
  });
  const exited = child.exited.then(async (exit): Promise<StoppedAgent> => {
    const text = await readFile(reportFile, 'utf8').catch(() => undefined);
    await rm(directory, { recursive: true, force: true });
    return { ...exit, report: text ? JSON.parse(text) : undefined, stderr: child.stderr() };
  });
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    ready: async () => void (await child.waitForLine(/\bready\b/, readyDeadlineMs)),
    attached: async (pid, deadlineMs = 20_000) =>
      void (await child.waitForLine(new RegExp(`\\battached\\b.*\\b${pid}\\b`), deadlineMs)),
    async stop() {
      await child.stop(30_000);
      const { report, ...ended } = await exited;
      const isLost = report?.lost.some(({ stage }) => stage === 'export' || stage === 'output');
      if (!report || ended.code !== (isLost ? exitCodes.lost : exitCodes.ok))
        throw new Error(`the agent ended with ${ended.signal ?? ended.code}: ${ended.stderr}`);
      return { ...ended, report };
    },
    async kill9() {
      process.kill(child.pid, 'SIGKILL');
      await exited;
    },
  };
}

/** Starts the agent and waits until it says that it is ready. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const agent = await launchAgent(options);
  try {
    await agent.ready();
  } catch (cause) {
    await agent.stop().catch(() => {});
    throw new Error(`the agent did not get ready: ${agent.stderr()}`, { cause });
  }
  return agent;
}
