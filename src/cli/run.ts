import { writeFileSync } from 'node:fs';
import { UspanError } from '../contract/errors.ts';
import type { Report } from '../report.ts';
import { exitCodes } from './exit-codes.ts';
import type { RunOptions } from './flags.ts';
import { openLogger } from './logger.ts';
import { untilStopped } from './signals.ts';
import { startAgent } from './start-agent.ts';

/** SIGTERM to exit; an orchestrator's usual patience is 10 s and more. */
const stopWithinMs = 8000;

/** `uspan run`: traces until SIGINT or SIGTERM. */
export async function run(options: RunOptions): Promise<number> {
  const startedAt = performance.now();
  // Before anything that takes time, so that an early signal is not lost.
  const stopped = untilStopped();
  if (options.reportFile) writeReport(options.reportFile, undefined);
  const logger = openLogger(options.logLevel);
  const { agent, outputs } = await startAgent(options, logger, !options.console && !options.json);
  const traced = agent.tracedProcesses().length;
  const probes = agent.report().probes.length;
  const ms = Math.round(performance.now() - startedAt);
  process.stderr.write(`uspan: ready, ${traced} processes traced by ${probes} probes (${ms} ms)\n`);
  logger.debug({ signal: await stopped }, 'stopping');
  const report = await agent.stop(stopWithinMs);
  await outputs.flush();
  if (options.reportFile) writeReport(options.reportFile, report);
  return exitCodes.ok;
}

/** Tried with nothing in it at the start: a report that cannot be written is better known before the run than after. */
function writeReport(path: string, report: Report | undefined): void {
  try {
    writeFileSync(path, report ? `${JSON.stringify(report, null, 2)}\n` : '');
  } catch (cause) {
    throw new UspanError('E_REPORT', 'the report cannot be written', { on: path, fix: 'Name a writable file', cause });
  }
}
