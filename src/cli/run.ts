import { writeFileSync } from 'node:fs';
import type { Agent } from '../agent.ts';
import { UspanError } from '../contract/errors.ts';
import type { Report } from '../report.ts';
import { type Environment, readSettings } from '../settings/read-settings.ts';
import type { Settings } from '../settings/table.ts';
import { exitCodes } from './exit-codes.ts';
import { openLogger } from './logger.ts';
import { untilStopped } from './signals.ts';
import { startAgent } from './start-agent.ts';

/** Time from SIGTERM to exit. Orchestrators usually wait 10 s or more. */
const stopWithinMs = 8000;

/** `uspan run`: traces until SIGINT or SIGTERM. */
export async function run(given: Partial<Settings>, environment: Environment): Promise<number> {
  const startedAt = performance.now();
  // This comes before anything that takes time, so that an early signal is not lost.
  const stopped = untilStopped();
  const settings = await readSettings(given, environment);
  if (settings.reportFile) writeReport(settings.reportFile, undefined);
  const logger = openLogger(settings.logLevel);
  const { agent, outputs } = await startAgent(settings, logger, !settings.console && !settings.json);
  process.stderr.write(`uspan: ${readyText(agent)} (${Math.round(performance.now() - startedAt)} ms)\n`);
  logger.debug({ signal: await stopped }, 'stopping');
  const left = agent.exportState()?.queuedSpans ?? 0;
  if (left > 0) process.stderr.write(`uspan: sending the last ${left} spans, for at most ${stopWithinMs / 1000} s\n`);
  const report = await agent.stop(stopWithinMs);
  await outputs.flush();
  if (settings.reportFile) writeReport(settings.reportFile, report);
  return report.lost.some(({ stage, count }) => stage === 'export' && count > 0) ? exitCodes.lost : exitCodes.ok;
}

function readyText(agent: Agent): string {
  const processes = agent.tracedProcesses().length;
  if (processes === 0)
    return 'ready; nothing to trace yet, waiting for programs to start. uspan discover --explain says more';
  const sites = agent.report().probes.length;
  return `ready, tracing ${processes} ${processes === 1 ? 'process' : 'processes'} at ${sites} places`;
}

/** Writes an empty report at the start, because a user wants to know before the run that it cannot be written. */
function writeReport(path: string, report: Report | undefined): void {
  try {
    writeFileSync(path, report ? `${JSON.stringify(report, null, 2)}\n` : '');
  } catch (cause) {
    throw new UspanError('E_REPORT', 'the report cannot be written', { on: path, fix: 'Name a writable file', cause });
  }
}
