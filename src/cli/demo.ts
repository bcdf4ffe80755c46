import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UspanError } from '../contract/errors.ts';
import type { Report } from '../report.ts';
import { coloursOf } from '../settings/colours.ts';
import { type Environment, readSettings } from '../settings/read-settings.ts';
import type { Settings } from '../settings/table.ts';
import { exitCodes } from './exit-codes.ts';
import type { DemoOptions } from './flags.ts';
import { openLogger } from './logger.ts';
import { untilStopped } from './signals.ts';
import { startAgent } from './start-agent.ts';
import { stderr } from './stderr.ts';
import { summary } from './summary.ts';

const colours = coloursOf(stderr);

const inRoot = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const launcher = inRoot('examples/shop/main.mjs');
/** Spans of its own USDT probes. */
const configFile = inRoot('examples/shop/uspan.yaml');
const goApp = inRoot('build/examples/go-app');
/** It is a file of its own, because the agent leaves alone processes that run the same `node` as itself. */
const node = inRoot('build/examples/node');
const load = '8/s';
const stopWithinMs = 5000;
const flushWithinMs = 1000;

/** `uspan demo`: the unmodified example shop under the agent, with its traces on the terminal. */
export async function demo(options: DemoOptions, environment: Environment): Promise<number> {
  for (const path of [node, launcher]) {
    if (existsSync(path)) continue;
    throw new UspanError('E_NO_TARGET', 'the example shop is not built', {
      on: path,
      fix: 'make demo builds and runs it',
    });
  }
  const stopped = untilStopped();
  const logger = openLogger('warn');
  const { agent, outputs } = await startAgent(await settingsOfDemo(options.json, environment), logger, false);
  const hasGo = existsSync(goApp);
  stderr.printLines([
    colours.dim(
      `$ node examples/shop/main.mjs    # ${hasGo ? 'Go, ' : ''}Node.js and a database; nothing added to them`,
    ),
    ...(hasGo ? [] : ['without the Go services, which are not built: make examples says why']),
  ]);
  const half = hasGo ? [] : ['--no-go'];
  const shop = spawn(process.execPath, [launcher, '--node', node, '--load', load, ...half], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let report: Report;
  try {
    const failed = died(shop);
    await Promise.race([ready(shop), stopped, failed]);
    await Promise.race([pause(options.durationSeconds * 1000, undefined, { ref: false }), stopped, failed]);
  } finally {
    await end(shop);
    report = await agent.stop(stopWithinMs);
    await outputs.flush(flushWithinMs);
  }
  stderr.printLines(['', ...summary(report)]);
  return exitCodes.ok;
}

/** The definitions of `run` for the programs of the shop. */
function settingsOfDemo(json: boolean, environment: Environment): Promise<Settings> {
  const exeGlobs = [goApp, node, '*/shop-postgres-*/postgres'];
  return readSettings({ exeGlobs, configFile, console: !json, json }, environment);
}

/** Resolves when the launcher says that all parts are up. */
async function ready(shop: ChildProcess): Promise<void> {
  let said = '';
  for await (const text of shop.stdout!.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += text;
    if (/^ready$/m.test(said)) break;
  }
  shop.stdout!.resume();
}

function died(shop: ChildProcess): Promise<never> {
  const fix = 'node examples/shop/main.mjs says why';
  return new Promise((_, reject) => {
    shop.once('error', (cause) =>
      reject(new UspanError('E_NO_TARGET', 'the example shop does not start', { on: launcher, fix, cause })),
    );
    shop.once('exit', (code, signal) => {
      if (signal === null && code === 0) return;
      const how = signal ?? `status ${code}`;
      reject(new UspanError('E_NO_TARGET', `the example shop ended with ${how}`, { on: launcher, fix }));
    });
  });
}

/** SIGTERM ends the shop with all its parts. They also end whenever the shop does. */
async function end(shop: ChildProcess): Promise<void> {
  if (shop.pid === undefined || shop.exitCode !== null || shop.signalCode !== null) return;
  const exited = new Promise((resolve) => shop.once('exit', resolve));
  shop.kill('SIGTERM');
  const late = setTimeout(() => shop.kill('SIGKILL'), stopWithinMs);
  await exited;
  clearTimeout(late);
}
