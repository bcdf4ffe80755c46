/** What the tests of Go client spans and of linking share: the two programs of test/fixtures/go-link, and the traced one's spans. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildGoFixture, type GoRelease, type GoVariant } from '../support/go-fixture.ts';
import { requestOnce } from '../support/http.ts';
import type { DecodedSpan, OtlpReceiver } from '../support/otlp-receiver.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';

export interface LinkProgram {
  readonly pid: number;
  readonly path: string;
  readonly port: number;
  readonly tlsPort: number;
  /** Runs a scenario of test/fixtures/go-link/scenarios.go. Gives the client's own account of how it went. */
  run(scenario: string, query?: Readonly<Record<string, string>>): Promise<Outcome>;
  stdout(): string;
  stop(): Promise<unknown>;
}

export interface Outcome {
  readonly status: number;
  readonly proto: string;
  /** Bytes of the response's body. */
  readonly body: number;
  readonly error: string;
}

/** The app and what it calls, each from a file of its own, because probes belong to an inode. */
export interface LinkPrograms {
  readonly app: LinkProgram;
  readonly upstream: LinkProgram;
  close(): Promise<void>;
}

export async function startLinkPrograms(
  go: GoRelease = '1.26',
  variant: GoVariant = 'stripped',
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<LinkPrograms> {
  const directory = await mkdtemp(join(tmpdir(), 'uspan-go-link-'));
  const built = await buildGoFixture({ fixture: 'go-link', go, variant });
  const start = async (role: 'app' | 'upstream', ...args: readonly string[]) => {
    const path = join(directory, role);
    await copyFile(built, path);
    const child = await startProcess(path, [`-role=${role}`, ...args], { env });
    await child.waitForLine(/^ready$/);
    return programOf(child, path);
  };
  const upstream = await start('upstream');
  const app = await start('app', `-upstream=http://127.0.0.1:${upstream.port}`);
  return {
    app,
    upstream,
    async close() {
      await Promise.all([app.stop(), upstream.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function programOf(child: RunningProcess, path: string): LinkProgram {
  const ports = new Map(
    [...child.stdout().matchAll(/^listening (\w+) 127\.0\.0\.1:(\d+)$/gm)].map((m) => [m[1], Number(m[2])]),
  );
  return {
    pid: child.pid,
    path,
    port: ports.get('http')!,
    tlsPort: ports.get('https')!,
    async run(scenario, query = {}) {
      const target = `/${scenario}?${new URLSearchParams(query)}`;
      const { body } = await requestOnce(ports.get('control')!, { method: 'POST', target });
      return JSON.parse(body.toString());
    },
    stdout: child.stdout,
    stop: () => child.stop(),
  };
}

/** The spans of one process by kind, oldest first. Waits until there are as many. More than that is an error. */
export async function spansByKind(
  receiver: OtlpReceiver,
  pid: number,
  due: { readonly server: number; readonly client: number; readonly sql?: number },
  withinMs = 20_000,
): Promise<{ server: DecodedSpan[]; client: DecodedSpan[]; sql: DecodedSpan[] }> {
  const deadline = performance.now() + withinMs;
  const { sql: dueSql = 0 } = due;
  for (;;) {
    const spans = receiver.spans().filter((span) => span.resource['process.pid'] === pid);
    const server = spans.filter(({ kind }) => kind === 2);
    const client = spans.filter((span) => span.kind === 3 && !isSql(span));
    const sql = spans.filter((span) => span.kind === 3 && isSql(span));
    const late = performance.now() > deadline;
    const short = server.length < due.server || client.length < due.client || sql.length < dueSql;
    if (server.length > due.server || client.length > due.client || sql.length > dueSql || (short && late)) {
      const seen = client.slice(0, 20).map((span) => `${span.attributes['url.full']} ${span.attributes['error.type']}`);
      throw new Error(
        `${server.length} server, ${client.length} client and ${sql.length} SQL spans where ${due.server}, ${due.client} and ${dueSql} are due: ${seen.join(', ')}`,
      );
    }
    if (!short) return { server: server.sort(byStart), client: client.sort(byStart), sql: sql.sort(byStart) };
    await sleep(10);
  }
}

const isSql = ({ attributes }: DecodedSpan) => attributes['db.system.name'] !== undefined;

const byStart = (a: DecodedSpan, b: DecodedSpan) => Number(a.startUnixNs - b.startUnixNs);
