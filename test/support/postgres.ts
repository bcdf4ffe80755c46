/** A real PostgreSQL server for a test, from the newest version that Debian's packages installed on this machine. */
import { chmod, chown, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import { type RunningProcess, runProcess, startProcess } from './process.ts';

export interface PostgresServer {
  /** Pid of the postmaster. Every backend is a fork of it. */
  readonly pid: number;
  /** Its executable, a copy of the package's, so that probes on it see no other server. */
  readonly exe: string;
  /** Of the package's programs: psql, pgbench. */
  readonly binDirectory: string;
  /** e.g. `15`. */
  readonly majorVersion: number;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** To connect by Unix socket, give it as the host. */
  readonly socketDirectory: string;
  /** A superuser without a password. */
  readonly user: 'postgres';
  readonly database: 'postgres';
  /** `postgres://…`, over TCP. */
  readonly url: string;
  /** PGHOST and the like, over TCP: libpq, pgx and `pg` use them to connect. */
  readonly env: Readonly<Record<string, string>>;
  /** What it logged. */
  log(): string;
  /** Runs psql over TCP. Gives what it printed, unaligned and without headings. Rejects if a statement failed. */
  psql(...statements: readonly string[]): Promise<string>;
  /** Ends it with all sessions, and removes its files. Idempotent. */
  stop(): Promise<void>;
}

const packages = '/usr/lib/postgresql';

/** Makes a cluster in a temporary directory and starts a server on a free loopback port. Takes 2 s. Settings are as in postgresql.conf. */
export async function startPostgres(settings: Readonly<Record<string, string | number>> = {}): Promise<PostgresServer> {
  const majorVersion = await newestInstalled();
  const binDirectory = join(packages, String(majorVersion), 'bin');
  const user = await unprivilegedUser();
  const directory = await mkdtemp(join(tmpdir(), 'uspan-postgres-'));
  try {
    if (user) await chown(directory, user.uid, user.gid);
    // Clients may be any user: they reach the socket, but not the data.
    await chmod(directory, 0o755);
    const exe = join(directory, 'postgres');
    await copyFile(join(binDirectory, 'postgres'), exe);
    const data = join(directory, 'data');
    await run(
      join(binDirectory, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
      // 1 s, or minutes in an emulated machine.
      { user, cwd: directory, deadlineMs: 600_000 },
    );
    const all = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: directory,
      fsync: 'off',
      shared_buffers: '32MB',
      log_checkpoints: 'off',
      // A client that connects while it shuts down, and says nothing, delays it for this long.
      authentication_timeout: '5s',
      ...settings,
    };
    const args = ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    const { server, port } = await startOnFreePort((port) =>
      startProcess(exe, [...args, '-p', String(port)], { user, cwd: directory }),
    );
    const env = { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres', PGDATABASE: 'postgres' };
    return {
      pid: server.pid,
      exe,
      binDirectory,
      majorVersion,
      host: '127.0.0.1',
      port,
      socketDirectory: directory,
      user: 'postgres',
      database: 'postgres',
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      env,
      log: server.stderr,
      psql: (...statements) =>
        run(join(binDirectory, 'psql'), ['-XAtq', ...statements.flatMap((statement) => ['-c', statement])], { env }),
      async stop() {
        // Immediate shutdown: it waits for no transaction.
        await server.stop(10_000, 'SIGQUIT');
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function newestInstalled(): Promise<number> {
  const versions = (await readdir(packages).catch(() => [])).map(Number).filter((version) => version > 0);
  if (versions.length === 0) throw new Error(`no PostgreSQL server in ${packages}; scripts/setup.sh test installs one`);
  return Math.max(...versions);
}

/** The server refuses to run as root. The package made a user for it. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (what) => Number(await run('id', [what, 'postgres'], {}))),
  );
  return { uid: uid!, gid: gid! };
}

/** Another program may take the port between the look and the bind. */
async function startOnFreePort(start: (port: number) => Promise<RunningProcess>) {
  for (let attempt = 1; ; attempt++) {
    const [port] = (await freePorts(1)) as [number];
    const server = await start(port);
    try {
      await server.waitForLine(/database system is ready to accept connections/, 300_000);
      return { server, port };
    } catch (error) {
      await server.stop();
      if (attempt === 3 || !server.stderr().includes('Address already in use')) throw error;
    }
  }
}

async function run(
  command: string,
  args: readonly string[],
  options: Parameters<typeof runProcess>[2],
): Promise<string> {
  const ended = await runProcess(command, args, options);
  if (ended.code !== 0) throw new Error(`${command} ended with ${ended.signal ?? ended.code}: ${ended.stderr}`);
  return ended.stdout.trimEnd();
}
