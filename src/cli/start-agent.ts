import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { Agent } from '../agent.ts';
import { UspanError } from '../contract/errors.ts';
import { readProgramPath } from '../discovery/processes/read-process.ts';
import { Losses } from '../otel/losses.ts';
import { skipReports } from '../report.ts';
import { exportSettingsOf } from '../settings/export-settings.ts';
import { samplerOf } from '../settings/sampler.ts';
import { secretKeysOf } from '../settings/secret-keys.ts';
import type { Settings } from '../settings/table.ts';
import { agentVersion } from './agent-version.ts';
import { chooseDefinitions } from './choose-definitions.ts';
import { notifier } from './logger.ts';
import { type Outputs, openOutputs } from './outputs.ts';
import { preflight } from './preflight.ts';

export interface Started {
  readonly agent: Agent;
  readonly outputs: Outputs;
}

function whyNot(agent: Agent, pid: number): string {
  const known = agent.binaries().find(({ pids }) => pids.has(pid));
  if (!known) {
    const path = readProgramPath(pid);
    if (path !== undefined) return `${path} uses no library uspan knows`;
    return existsSync(`/proc/${pid}`) ? 'its program file cannot be read' : 'no such process';
  }
  const details = skipReports(known).map(({ detail }) => detail);
  return details.join('; ') || `${known.path} uses no library uspan knows`;
}

/**
 * A working agent, attached to what the first scan found.
 * @throws UspanError E_NO_TARGET if only pids were given and none of them can be traced
 */
export async function startAgent(settings: Settings, logger: Logger, otlp: boolean): Promise<Started> {
  const recipe = chooseDefinitions(settings);
  preflight();
  const notify = notifier(logger);
  const losses = new Losses(notify);
  const { console, json } = settings;
  const outputs = await openOutputs({ console, json, otlp, export: exportSettingsOf(settings), losses, notify });
  const agent = new Agent({
    version: agentVersion(),
    rules: settings,
    recipe,
    kernel: {
      sampler: samplerOf(settings),
      maxInFlight: settings.maxInFlight,
      maxPathBytes: settings.maxPathBytes,
      maxStatementBytes: settings.maxStatementBytes,
      ringBytes: settings.ringBytes,
    },
    serviceName: settings.serviceName,
    secretQueryKeys: secretKeysOf(settings),
    allowSingleStep: settings.allowSingleStep,
    allowInstrumented: settings.allowInstrumented,
    writer: outputs.writer,
    exporter: outputs.exporter,
    losses,
    notify,
  });
  await agent.scan();
  // If only pids were given, uspan never attaches to another program.
  if (settings.pids.length === 0 || settings.exeGlobs.length + settings.ports.length > 0) agent.loadRest();
  if (
    settings.pids.length > 0 &&
    settings.exeGlobs.length + settings.ports.length === 0 &&
    agent.tracedProcesses().length === 0
  ) {
    const why = settings.pids.map((pid) => `${pid}: ${whyNot(agent, pid)}`).join('; ');
    await agent.stop(1000);
    throw new UspanError('E_NO_TARGET', `nothing to trace in process ${settings.pids.join(', ')}`, {
      on: why,
      fix: 'uspan discover --explain shows what can be traced on this host',
    });
  }
  return { agent, outputs };
}
