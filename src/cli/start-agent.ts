import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { Agent } from '../agent.ts';
import { samplerFromEnvironment } from '../config/sampler.ts';
import { agentVersion } from '../config/version.ts';
import { UspanError } from '../contract/errors.ts';
import { Losses } from '../otel/losses.ts';
import { skipReports } from '../report.ts';
import { chooseDefinitions } from './choose-definitions.ts';
import type { RunOptions } from './flags.ts';
import { notifier } from './logger.ts';
import { type Outputs, openOutputs } from './outputs.ts';
import { preflight } from './preflight.ts';

/** The part of `run`'s flags an agent is made from. */
export type AgentFlags = Omit<RunOptions, 'reportFile' | 'logLevel'>;

export interface Started {
  readonly agent: Agent;
  readonly outputs: Outputs;
}

function whyNot(agent: Agent, pid: number): string {
  const known = agent.binaries().find(({ pids }) => pids.has(pid));
  if (!known) return existsSync(`/proc/${pid}`) ? 'its program file cannot be read' : 'no such process';
  const details = skipReports(known).map(({ detail }) => detail);
  return details.join('; ') || `${known.path} uses no library uspan knows`;
}

/**
 * An agent at work: what the first scan found is attached.
 * @throws UspanError E_NO_TARGET when only pids were asked for and none of them can be traced
 */
export async function startAgent(flags: AgentFlags, logger: Logger, otlp: boolean): Promise<Started> {
  const sampler = samplerFromEnvironment(process.env);
  const definitions = await chooseDefinitions(flags);
  preflight();
  const notify = notifier(logger);
  const losses = new Losses(notify);
  const outputs = await openOutputs({ console: flags.console, json: flags.json, otlp, losses, notify });
  const agent = new Agent({
    version: agentVersion(),
    rules: flags,
    definitions,
    kernel: {
      sampler,
      maxInFlight: flags.maxInFlight,
      maxPathBytes: flags.maxPathBytes,
      maxStatementBytes: flags.maxStatementBytes,
      ringBytes: flags.ringBytes,
    },
    serviceName: flags.serviceName,
    allowSingleStep: flags.allowSingleStep,
    allowInstrumented: flags.allowInstrumented,
    writer: outputs.writer,
    exporter: outputs.exporter,
    losses,
    notify,
  });
  agent.scan();
  // With nothing but pids to go by, no other program is ever attached.
  if (flags.pids.length === 0 || flags.exeGlobs.length + flags.ports.length > 0) agent.loadRest();
  if (
    flags.pids.length > 0 &&
    flags.exeGlobs.length + flags.ports.length === 0 &&
    agent.tracedProcesses().length === 0
  ) {
    const why = flags.pids.map((pid) => `${pid}: ${whyNot(agent, pid)}`).join('; ');
    await agent.stop(1000);
    throw new UspanError('E_NO_TARGET', `nothing to trace in process ${flags.pids.join(', ')}`, {
      on: why,
      fix: 'uspan discover --explain shows what can be traced on this host',
    });
  }
  return { agent, outputs };
}
