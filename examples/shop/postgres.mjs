import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPart } from './part.mjs';

const run = promisify(execFile);
const packaged = '/usr/lib/postgresql';

/**
 * Starts a PostgreSQL of its own in a temporary directory, reached through a Unix socket there and never over a network. It runs as a copy
 * of its program there, so that tools can tell it from other servers. Undefined if PostgreSQL is not installed. Rejects, with
 * nothing left, when `signal` aborts. `env` is how clients find it.
 */
export async function startPostgres(signal) {
  const bin = await binaries();
  if (!bin) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'shop-postgres-'));
  // What initdb had started may write for a moment longer than it lives.
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  let part;
  try {
    const as = await unprivileged(directory);
    const data = join(directory, 'data');
    const exe = join(directory, 'postgres');
    await copyFile(join(bin, 'postgres'), exe);
    const words = [...as, join(bin, 'initdb'), '-D', data, '-U', 'shop', '-A', 'trust', '-E', 'UTF8', '--no-sync'];
    await run(words[0], words.slice(1), { cwd: directory, signal });
    const quiet = 'log_min_messages=fatal';
    const settings = ['listen_addresses=', `unix_socket_directories=${directory}`, 'fsync=off', quiet];
    // The kernel ends it with this process, because it has no lifeline.
    const [command, ...args] = [
      ...(as.length > 0 ? as : ['setpriv']),
      '--pdeathsig=QUIT',
      exe,
      ...['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    ];
    // SIGINT is its fast shutdown: open connections are closed.
    part = await startPart(command, args, {}, 'SIGINT');
    await ready(join(bin, 'pg_isready'), directory, part, signal);
    return {
      ...part,
      env: { PGHOST: directory, PGUSER: 'shop', PGDATABASE: 'postgres' },
      async stop() {
        await part.stop();
        await remove();
      },
    };
  } catch (error) {
    await part?.stop();
    await remove();
    throw error;
  }
}

/** Debian's newest, or what the PATH has. */
async function binaries() {
  const versions = existsSync(packaged) ? await readdir(packaged) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(packaged, version, 'bin'));
  return [...newest, ...(process.env.PATH ?? '').split(':')].find((dir) => existsSync(join(dir, 'initdb')));
}

/** PostgreSQL refuses to run as root: there it runs as `postgres` or `nobody`, who then own the directory. */
async function unprivileged(directory) {
  if (process.getuid() !== 0) return [];
  for (const user of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, user]))).catch(() => undefined);
    if (!ids) continue;
    const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
    await chown(directory, uid, gid);
    return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  }
  throw new Error('no user to run PostgreSQL as');
}

async function ready(pgIsReady, directory, part, signal) {
  for (;;) {
    signal.throwIfAborted();
    const answer = await Promise.race([
      run(pgIsReady, ['-q', '-h', directory, '-U', 'shop', '-d', 'postgres']).catch(() => 'not yet'),
      part.exited,
    ]);
    if (answer.failure) throw new Error(answer.failure);
    if (answer !== 'not yet') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
