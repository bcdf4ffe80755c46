import { constants, copyFile, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runProcess } from '../../test/support/process.ts';
import { buildReceiver } from './programs.ts';

const nodeDir = join(import.meta.dirname, '..', 'node');
const outDir = join(import.meta.dirname, '..', '..', 'build', 'bench');

/** Paths of what the Node.js benchmark runs. */
export interface NodePrograms {
  readonly server: string;
  /** This Node.js twice, because probes belong to an inode, and the bare server must have none. The agent also ignores its own. */
  readonly bareNode: string;
  readonly observedNode: string;
  /** The file with which `--require` loads the SDK. */
  readonly sdk: string;
  readonly receiver: string;
}

/** Fetches bench/node's packages if they are not the locked ones, and copies and builds the rest. */
export async function buildNodePrograms(): Promise<NodePrograms> {
  await installPackages();
  await mkdir(outDir, { recursive: true });
  const [bareNode, observedNode] = [join(outDir, 'node-bare'), join(outDir, 'node-observed')];
  for (const to of [bareNode, observedNode]) await copyFile(process.execPath, to, constants.COPYFILE_FICLONE);
  const server = join(nodeDir, 'server.cjs');
  return {
    server,
    bareNode,
    observedNode,
    sdk: createRequire(server).resolve('@opentelemetry/auto-instrumentations-node/register'),
    receiver: await buildReceiver(),
  };
}

/** A copy of the lock file shows what was installed. */
async function installPackages(): Promise<void> {
  const [lock, installed] = [join(nodeDir, 'package-lock.json'), join(nodeDir, 'node_modules', '.installed-lock.json')];
  const wanted = await readFile(lock, 'utf8');
  if (wanted === (await readFile(installed, 'utf8').catch(() => undefined))) return;
  const { code, stderr } = await runProcess('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: nodeDir,
    deadlineMs: 300_000,
  });
  if (code !== 0) throw new Error(`npm ci in ${nodeDir} failed: ${stderr}`);
  await copyFile(lock, installed);
}
