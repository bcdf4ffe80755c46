import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { requestOnce } from './http.ts';
import { type Exit, runProcess, startProcess } from './process.ts';

/** The patch release that represents each Go release in tests. The go command fetches it as a module. */
export const goReleases = {
  '1.21': '1.21.13',
  '1.22': '1.22.12',
  '1.23': '1.23.12',
  '1.24': '1.24.11',
  '1.25': '1.25.5',
  '1.26': '1.26.8',
  '1.27': '1.27.0',
} as const;
export type GoRelease = keyof typeof goReleases;
/** Oldest first. */
export const allGoReleases = Object.keys(goReleases) as readonly GoRelease[];

const buildArgs = {
  normal: [],
  stripped: ['-ldflags=-s -w'],
  pie: ['-buildmode=pie'],
  'stripped-pie': ['-buildmode=pie', '-ldflags=-s -w'],
  unoptimised: ['-gcflags=all=-N -l'],
} as const satisfies Record<string, readonly string[]>;
export type GoVariant = keyof typeof buildArgs;
/** How programs are built that run somewhere. What debuggers run, `unoptimised`, has tests of its own. */
export const allGoVariants = (Object.keys(buildArgs) as GoVariant[]).filter((variant) => variant !== 'unoptimised');

/** Programs of test/fixtures. */
export type GoFixtureName = 'go-otel' | 'go-http' | 'go-link' | 'go-rounds' | 'go-sql' | 'go-sql-drivers';

/** Builds a fixture (default: go-http) once per source, release and variant. Gives the path of the binary. */
export async function buildGoFixture(build: {
  readonly fixture?: GoFixtureName;
  readonly go: GoRelease;
  readonly variant: GoVariant;
  readonly arch?: 'amd64' | 'arm64';
}): Promise<string> {
  const { fixture = 'go-http' } = build;
  const sourceDir = join(import.meta.dirname, '..', 'fixtures', fixture);
  const arch = build.arch ?? 'amd64';
  const version = goReleases[build.go];
  const args = ['build', '-trimpath', '-buildvcs=false', ...buildArgs[build.variant]];
  const name = `${fixture}-go${version}-${arch}-${build.variant}-${await hashOf(sourceDir, [version, arch, ...args])}`;
  const dir = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'uspan-test', name);
  const binary = join(dir, fixture);
  if (await exists(binary)) return binary;

  await mkdir(dir, { recursive: true });
  // Built beside and renamed, so that two test files that build the same thing at once never see half a binary.
  const unfinished = `${binary}.${process.pid}`;
  const env = {
    GOTOOLCHAIN: `go${version}`,
    GOOS: 'linux',
    GOARCH: arch,
    CGO_ENABLED: '0',
    GOFLAGS: '',
    GOWORK: 'off',
  };
  const { code, stderr } = await runProcess('go', [...args, '-o', unfinished, '.'], {
    cwd: sourceDir,
    env,
    deadlineMs: 300_000,
  });
  if (code !== 0) {
    await rm(unfinished, { force: true });
    throw new Error(`go build of the fixture with go${version} (${build.variant}) failed: ${stderr}`);
  }
  await rename(unfinished, binary);
  return binary;
}

/** The server's own counts (test/fixtures/go-http/counters.go): the oracle for spans. */
export interface GoFixtureStats {
  /** Requests that reached the handler. */
  readonly started: number;
  /** Those of them that left it, by return or by panic. */
  readonly finished: number;
  /** Those of the finished that left by panic, http.ErrAbortHandler included. */
  readonly panicked: number;
  readonly hijacked: number;
  /** /big streams that the client cut short. */
  readonly aborted: number;
  /** Requests that wait at /gate now. */
  readonly gated: number;
}

export interface GoFixture {
  readonly pid: number;
  /** Loopback ports of the plain, the TLS and the control listener. net/http's server does not serve control traffic. */
  readonly port: number;
  readonly tlsPort: number;
  readonly statsPort: number;
  stats(): Promise<GoFixtureStats>;
  /** Waits until the statistics satisfy a condition. Rejects at the deadline (10 s). */
  until(condition: (stats: GoFixtureStats) => boolean, deadlineMs?: number): Promise<GoFixtureStats>;
  /** Lets all that wait at /gate go on. Gives their number. */
  release(): Promise<number>;
  stderr(): string;
  stop(): Promise<Exit>;
}

export interface GoFixtureOptions {
  /** Offer HTTP/2 on the TLS port. */
  readonly h2?: boolean;
  /** `mux` (default): http.ServeMux; `func`: a handler of its own, without a mux in the call chain. */
  readonly handler?: 'mux' | 'func';
  /** More flags of test/fixtures/go-http/main.go. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Starts a built fixture on free loopback ports and waits until it listens. */
export async function startGoFixture(path: string, options: GoFixtureOptions = {}): Promise<GoFixture> {
  const args = [`-handler=${options.handler ?? 'mux'}`, `-h2=${options.h2 ?? false}`, ...(options.args ?? [])];
  const child = await startProcess(path, args, options.env ? { env: options.env } : {});
  try {
    await child.waitForLine(/^ready$/);
  } catch (cause) {
    await child.stop();
    throw new Error('the Go fixture did not start', { cause });
  }
  const ports = new Map(
    [...child.stdout().matchAll(/^listening (\w+) 127\.0\.0\.1:(\d+)$/gm)].map((m) => [m[1], Number(m[2])]),
  );
  const statsPort = ports.get('control')!;
  const control = async (method: string, target: string) =>
    JSON.parse((await requestOnce(statsPort, { method, target })).body.toString()) as Record<string, number>;
  const stats = async () => (await control('GET', '/stats')) as unknown as GoFixtureStats;

  const until: GoFixture['until'] = async (condition, deadlineMs = 10_000) => {
    const deadline = Date.now() + deadlineMs;
    for (;;) {
      const now = await stats();
      if (condition(now)) return now;
      if (Date.now() > deadline)
        throw new Error(`not within ${deadlineMs} ms: ${condition}, but ${JSON.stringify(now)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  return {
    pid: child.pid,
    port: ports.get('http')!,
    tlsPort: ports.get('https')!,
    statsPort,
    stats,
    until,
    release: async () => (await control('POST', '/release')).released!,
    stderr: child.stderr,
    stop: () => child.stop(),
  };
}

/** Hash of every file's name and bytes in a flat directory, and of what else decides the build. */
async function hashOf(dir: string, more: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(more));
  for (const name of (await readdir(dir)).sort()) hash.update(`\0${name}\0`).update(await readFile(join(dir, name)));
  return hash.digest('hex').slice(0, 16);
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
