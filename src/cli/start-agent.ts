import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { Agent } from '../agent.ts';
import { UspanError } from '../contract/errors.ts';
import { readProgramPath } from '../discovery/processes/read-process.ts';
import { scanProcesses } from '../discovery/processes/scan-processes.ts';
import { TargetSelector } from '../discovery/processes/select-targets.ts';
import { Losses } from '../otel/losses.ts';
import { skipReports } from '../report.ts';
import { exportSettingsOf } from '../settings/export-settings.ts';
import { samplerOf } from '../settings/sampler.ts';
import { secretKeysOf } from '../settings/secret-keys.ts';
import type { Settings } from '../settings/table.ts';
import { agentVersion } from './agent-version.ts';
import { chooseDefinitions } from './choose-definitions.ts';
import { notifier } from './logger.ts';
import { OtherAgents } from './other-agents.ts';
import { type Outputs, openOutputs } from './outputs.ts';
import { preflight } from './preflight.ts';

/** Later processes may be another agent's, too. */
const lookForOthersMs = 15_000;

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

/** Both agents say so. @throws UspanError E_SECOND_AGENT */
async function refuseSecond(others: OtherAgents, isAllowed: boolean): Promise<void> {
  if (isAllowed) return others.look();
  const [first] = await others.shared();
  if (!first) return;
  const { agent, pids } = first;
  throw new UspanError('E_SECOND_AGENT', `another uspan, process ${agent}, traces the same processes`, {
    on: pids.slice(0, 10).join(', '),
    fix: 'Stop it, choose other processes, or use --allow-second: every span is there twice then',
  });
}

/**
 * A working agent, attached to what the first scan found.
 * @throws UspanError E_NO_TARGET if only pids were given and none of them can be traced; E_SECOND_AGENT
 */
export async function startAgent(settings: Settings, logger: Logger, otlp: boolean): Promise<Started> {
  const recipe = chooseDefinitions(settings);
  preflight();
  const notify = notifier(logger);
  let traced = () => new TargetSelector(settings).select(scanProcesses(() => false));
  const others = new OtherAgents({ notify, traced: () => traced(), isAllowed: settings.allowSecond });
  await others.listen();
  // Before anything is attached, so that a second agent leaves no trace in the spans.
  await refuseSecond(others, settings.allowSecond);
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
  traced = () => agent.tracedProcesses();
  await agent.scan();
  others.settle();
  setInterval(() => void others.look().catch(() => {}), lookForOthersMs).unref();
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
