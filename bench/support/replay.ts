import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { runProcess } from '../../test/support/process.ts';
import type { ReplayJob, ReplayResult } from '../agent/job.ts';
import { measuredCpu } from './pin.ts';

const root = join(import.meta.dirname, '..', '..');
const script = join(root, 'build', 'bench', 'replay.mjs');

/**
 * Runs bench/agent/replay.ts on a processor of its own, as bin/uspan runs the agent: it reads the environment and the options of Node.js
 * from there.
 */
export async function replay(job: Omit<ReplayJob, 'dist'>): Promise<ReplayResult> {
  await mkdir(join(root, 'build', 'bench'), { recursive: true });
  // As JavaScript, because stripping types at run time takes memory that the agent does not use.
  await writeFile(script, stripTypeScriptTypes(await readFile(join(root, 'bench', 'agent', 'replay.ts'), 'utf8')));
  const { options, env } = howTheAgentStarts(await readFile(join(root, 'bin', 'uspan'), 'utf8'));
  const node = [process.execPath, ...options, script, JSON.stringify({ ...job, dist: join(root, 'dist') })];
  const [command, ...args] = cpus().length < 2 ? node : ['taskset', '-c', String(measuredCpu), ...node];
  const { code, stdout, stderr } = await runProcess(command!, args, { env, deadlineMs: 600_000 });
  if (code !== 0) throw new Error(`the replay up to ${job.stage} failed: ${stderr}`);
  return JSON.parse(stdout) as ReplayResult;
}

function howTheAgentStarts(shell: string) {
  const options = /^exec "\$node" (.*) "\$main"/m.exec(shell)?.[1];
  const exported = /^export (.*)$/m.exec(shell)?.[1];
  if (options === undefined || exported === undefined)
    throw new Error('bin/uspan no longer says how it starts Node.js');
  return {
    options: options.split(' '),
    env: Object.fromEntries(exported.split(' ').map((pair) => pair.split('=') as [string, string])),
  };
}
