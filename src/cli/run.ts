import type { Agent } from '../agent.ts';
import { errorLines } from '../contract/errors.ts';
import type { Loss } from '../otel/losses.ts';
import { type Environment, readSettings } from '../settings/read-settings.ts';
import type { Settings } from '../settings/table.ts';
import { exitCodes } from './exit-codes.ts';
import { openLogger } from './logger.ts';
import { openReportFile } from './report-file.ts';
import { untilStopped } from './signals.ts';
import { startAgent } from './start-agent.ts';
import { stderr } from './stderr.ts';
import { stdout } from './stdout.ts';

/** Time from SIGTERM to the last span. Orchestrators usually wait 10 s or more. */
const stopWithinMs = 8000;
/** What a reader of stdout has for the rest, after that. */
const flushWithinMs = 1000;

/** `uspan run`: traces until a signal. @throws UspanError E_REPORT, E_OUTPUT, after the spans were sent */
export async function run(given: Partial<Settings>, environment: Environment): Promise<number> {
  const startedAt = performance.now();
  let isSending = false;
  // This comes before anything that takes time, so that an early signal is not lost.
  const stopped = untilStopped(() => isSending);
  const settings = await readSettings(given, environment);
  const reportFile = settings.reportFile === undefined ? undefined : openReportFile(settings.reportFile);
  const logger = openLogger(settings.logLevel);
  const { agent, outputs } = await startAgent(settings, logger, !settings.console && !settings.json);
  isSending = outputs.exporter !== undefined;
  stdout.onEnded(() => stdout.failure && say(...errorLines(stdout.failure)));
  say(`${readyText(agent)} (${Math.round(performance.now() - startedAt)} ms)`);
  const ended = agent.allEnded.then(() => 'every process that --pid names has ended');
  logger.debug({ signal: await Promise.race([stopped, ended]) }, 'stopping');
  const left = agent.exportState()?.queuedSpans ?? 0;
  if (left > 0) say(`sending the last ${left} spans, for at most ${stopWithinMs / 1000} s`);
  const report = await agent.stop(stopWithinMs);
  // Neither of the two keeps the other one from being written.
  const flushed = outputs.flush(flushWithinMs).catch((error: unknown) => error);
  await flushed;
  reportFile?.write(report);
  const failure = await flushed;
  if (failure) throw failure;
  return report.lost.some(isUndelivered) ? exitCodes.lost : exitCodes.ok;
}

/** Of spans that uspan had. The losses of other stages are no failure of a run: some come with each start and end. */
function isUndelivered({ stage, count }: Loss): boolean {
  return count > 0 && (stage === 'export' || stage === 'output');
}

function say(...[first, ...more]: string[]): void {
  stderr.printLines([`uspan: ${first}`, ...more]);
}

function readyText(agent: Agent): string {
  const processes = agent.tracedProcesses().length;
  if (processes === 0)
    return 'ready; nothing to trace yet, waiting for programs to start. uspan discover --explain says more';
  const sites = agent.report().probes.length;
  return `ready, tracing ${processes} ${processes === 1 ? 'process' : 'processes'} at ${sites} places`;
}
