import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Exit, startProcess } from './process.ts';

export { allNodeReleases, type NodeRelease, nodeBinary, nodeReleases, ownNodeBinary } from './node-release.ts';

const fixturesDir = join(import.meta.dirname, '..', 'fixtures');

export interface NodeFixtureOptions {
  /** Arguments of the fixture's main.mjs, as its head comment lists them. */
  readonly args?: readonly string[];
  /** Options of Node.js itself, such as `--max-semi-space-size=1`. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Makes a throw-away certificate, and lets the fixture also listen with TLS. */
  readonly tls?: boolean;
}

/** The fixture's own counts: the oracle for spans. The names are in the fixture's counters.mjs. */
export type NodeFixtureStats<Counter extends string = string> = Readonly<Record<Counter, number>>;

export interface NodeFixture<Counter extends string = string> {
  readonly pid: number;
  /** Loopback port of the plain listener. */
  readonly port: number;
  /** Loopback ports by the name that the fixture announced: `http`, `https`, `control`, `worker0`, … */
  readonly ports: ReadonlyMap<string, number>;
  /** Sends a line to the control port and gives the JSON line that answers. It is not HTTP, so no probe sees it as a request. */
  control(command: string): Promise<unknown>;
  stats(): Promise<NodeFixtureStats<Counter>>;
  /** Waits until the statistics satisfy a condition. Rejects at the deadline (10 s). */
  until(
    condition: (stats: NodeFixtureStats<Counter>) => boolean,
    deadlineMs?: number,
  ): Promise<NodeFixtureStats<Counter>>;
  stdout(): string;
  stderr(): string;
  stop(): Promise<Exit>;
}

/** Starts test/fixtures/SCRIPT/main.mjs under a `node` on free loopback ports and waits until it listens. */
export async function startNodeFixture<Counter extends string = string>(
  binary: string,
  script: string,
  options: NodeFixtureOptions = {},
): Promise<NodeFixture<Counter>> {
  const certificate = options.tls ? await makeCertificate() : undefined;
  const main = join(fixturesDir, script, 'main.mjs');
  const tls = certificate ? [`--tls-key=${certificate.key}`, `--tls-cert=${certificate.cert}`] : [];
  const args = [...(options.nodeArgs ?? []), main, ...tls, ...(options.args ?? [])];
  const child = await startProcess(binary, args, { env: { NODE_OPTIONS: undefined, ...options.env } });
  try {
    await child.waitForLine(/^ready$/);
  } catch (cause) {
    await child.stop();
    throw new Error(`the Node.js fixture ${script} did not start`, { cause });
  } finally {
    await certificate?.remove();
  }
  const ports = new Map(
    [...child.stdout().matchAll(/^listening (\w+) 127\.0\.0\.1:(\d+)$/gm)].map((m) => [m[1]!, Number(m[2])]),
  );
  const control = async (command: string): Promise<unknown> => {
    const socket = connect(ports.get('control')!, '127.0.0.1');
    socket.end(`${command}\n`);
    const answer = JSON.parse(await text(socket)) as { error?: string };
    if (answer.error !== undefined) throw new Error(`the fixture ${script}, asked for ${command}: ${answer.error}`);
    return answer;
  };
  const stats = async () => (await control('stats')) as NodeFixtureStats<Counter>;
  return {
    pid: child.pid,
    port: ports.get('http')!,
    ports,
    control,
    stats,
    async until(condition, deadlineMs = 10_000) {
      const deadline = performance.now() + deadlineMs;
      for (;;) {
        const now = await stats();
        if (condition(now)) return now;
        if (performance.now() > deadline)
          throw new Error(`not within ${deadlineMs} ms: ${condition}, but ${JSON.stringify(now)}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stdout: child.stdout,
    stderr: child.stderr,
    stop: () => child.stop(),
  };
}

/** Paths of a self-signed certificate for 127.0.0.1 and its key, made by openssl. When the fixture is ready, it has read them. */
async function makeCertificate() {
  const directory = await mkdtemp(join(tmpdir(), 'uspan-node-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const name = ['-subj', '/CN=fixture', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...name, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { key, cert, remove: () => rm(directory, { recursive: true, force: true }) };
}
