import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UspanError } from '../contract/errors.ts';
import type { Report } from '../report.ts';
import { coloursOf } from './colours.ts';
import { exitCodes } from './exit-codes.ts';
import { commands, type DemoOptions } from './flags.ts';
import { openLogger } from './logger.ts';
import { untilStopped } from './signals.ts';
import { type AgentFlags, startAgent } from './start-agent.ts';
import { summary } from './summary.ts';

const colours = coloursOf(process.stderr);

const appPath = fileURLToPath(new URL('../../build/examples/go-app', import.meta.url));
const load = '8/s';
const stopWithinMs = 5000;

/** `uspan demo`: the example app, unmodified and stripped, under the agent; its traces on the terminal. */
export async function demo(options: DemoOptions): Promise<number> {
  if (!existsSync(appPath)) {
    throw new UspanError('E_NO_TARGET', 'the example app is not built', {
      on: appPath,
      fix: 'make demo builds and runs it',
    });
  }
  const stopped = untilStopped();
  const logger = openLogger('warn');
  const { agent, outputs } = await startAgent(agentFlags(options.json), logger, false);
  process.stderr.write(`${colours.dim(`$ ${appPath} -load ${load}    # a stripped Go binary, nothing added to it`)}\n`);
  const app = spawn(appPath, ['-load', load], { stdio: ['ignore', 'ignore', 'ignore'] });
  let report: Report;
  try {
    await Promise.race([pause(options.durationSeconds * 1000, undefined, { ref: false }), stopped, died(app)]);
  } finally {
    await end(app);
    report = await agent.stop(stopWithinMs);
    await outputs.flush();
  }
  process.stderr.write(`\n${summary(report)}\n`);
  return exitCodes.ok;
}

/** `run`'s defaults, for this one program. */
function agentFlags(json: boolean): AgentFlags {
  const initial = Object.fromEntries(Object.entries(commands.run.flags).map(([key, { initial }]) => [key, initial]));
  return { ...(initial as unknown as AgentFlags), exeGlobs: [appPath], console: !json, json };
}

function died(app: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    app.once('error', (cause) =>
      reject(new UspanError('E_NO_TARGET', 'the example app does not start', { on: appPath, cause })),
    );
    app.once('exit', (code, signal) => {
      if (signal === null && code === 0) return;
      reject(
        new UspanError('E_NO_TARGET', `the example app ended with ${signal ?? `status ${code}`}`, { on: appPath }),
      );
    });
  });
}

/** The app ends by SIGTERM, and takes its children with it. */
async function end(app: ChildProcess): Promise<void> {
  if (app.pid === undefined || app.exitCode !== null || app.signalCode !== null) return;
  const exited = new Promise((resolve) => app.once('exit', resolve));
  app.kill('SIGTERM');
  const late = setTimeout(() => app.kill('SIGKILL'), stopWithinMs);
  await exited;
  clearTimeout(late);
}
