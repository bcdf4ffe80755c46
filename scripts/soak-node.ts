/**
 * `make soak-node`: real servers of every Node.js release under load, while uspan attaches and detaches every few seconds, and is sometimes
 * killed. Fails if a request gets a wrong answer, or if a server ends. As root, after `make build examples`.
 *
 *   node scripts/soak-node.ts [--requests 200000] [--release 18 …]
 */
import { Agent as HttpAgent, type RequestOptions, request } from 'node:http';
import { Agent as HttpsAgent, request as requestTls } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startAgent } from '../test/support/agent.ts';
import {
  allNodeReleases,
  type NodeFixture,
  type NodeRelease,
  nodeBinary,
  startNodeFixture,
} from '../test/support/node-fixture.ts';
import { startOtlpReceiver } from '../test/support/otlp-receiver.ts';
import { type PostgresServer, startPostgres } from '../test/support/postgres.ts';

const { values: options } = parseArgs({
  options: { requests: { type: 'string', default: '200000' }, release: { type: 'string', multiple: true } },
});
/** Of all requests, these go to the service with a database, which takes some fifty times as long. */
const shopShare = 0.05;
const connections = 50;

interface Visit {
  readonly path: string;
  readonly method?: string;
  readonly body?: string;
  readonly tls?: boolean;
  readonly answer: string;
}

const visits: readonly Visit[] = [
  { path: '/hello', answer: 'hello\n' },
  { path: '/items/7?a=b', answer: 'item 7\n' },
  { path: '/chunks?n=2', answer: 'chunk 0\nchunk 1\n' },
  { path: '/echo', method: 'POST', body: 'x'.repeat(3000), answer: 'x'.repeat(3000) },
  { path: '/parts', answer: 'first second' },
  { path: '/hello', tls: true, answer: 'hello\n' },
  { path: '/items/8', tls: true, answer: 'item 8\n' },
];

const agents = {
  http: new HttpAgent({ keepAlive: true, maxSockets: connections }),
  https: new HttpsAgent({ keepAlive: true, maxSockets: connections, rejectUnauthorized: false }),
};

function visit(port: number, { path, method = 'GET', body, tls, answer }: Visit): Promise<void> {
  const how: RequestOptions = { host: '127.0.0.1', port, path, method, agent: tls ? agents.https : agents.http };
  return new Promise((resolve, reject) => {
    const wrong = (what: string) => reject(new Error(`${method} ${path}: ${what}`));
    const sent = (tls ? requestTls : request)(how, (response) => {
      text(response).then((got) => {
        if (response.statusCode === 200 && got === answer) resolve();
        else wrong(`${response.statusCode} ${JSON.stringify(got.slice(0, 100))}`);
      }, reject);
    });
    sent.on('error', (error) => wrong(error.message));
    sent.end(body);
  });
}

/** Visits until `count` requests were answered. The first wrong answer rejects. */
async function load(count: number, stop: AbortSignal, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const visitor = async () => {
    while (next < count && !stop.aborted) await one(next++);
  };
  await Promise.all(Array.from({ length: connections }, visitor));
}

/** Attaches and detaches until it has to stop. Returns how often. Every fourth time it kills the agent. */
async function attachAndDetach(pids: readonly number[], stop: AbortSignal): Promise<{ cycles: number; spans: number }> {
  const receiver = await startOtlpReceiver({ countOnly: true });
  let cycles = 0;
  try {
    while (!stop.aborted) {
      const agent = await startAgent({ pids, endpoint: receiver.endpoint });
      await pause(1000 + 500 * (cycles % 4));
      if (++cycles % 4 === 0) await agent.kill9();
      else await agent.stop();
      await pause(300);
    }
    return { cycles, spans: receiver.spanCount };
  } finally {
    await receiver.close();
  }
}

async function soak(release: NodeRelease, requests: number, postgres: PostgresServer): Promise<string> {
  const binary = await nodeBinary(release);
  const server = await startNodeFixture(binary, 'node-http', { tls: true });
  const shop = await startNodeFixture(binary, 'node-shop', {
    args: [`--upstream=http://127.0.0.1:${server.port}`],
    env: postgres.env,
  });
  // node:sqlite, if the release has it without a flag.
  const sqlite = Number(release) >= 22 ? await startNodeFixture(binary, 'node-sqlite') : undefined;
  const fixtures: readonly NodeFixture[] = [server, shop, ...(sqlite ? [sqlite] : [])];
  const over = new AbortController();
  const attaching = attachAndDetach(
    fixtures.map(({ pid }) => pid),
    over.signal,
  );
  attaching.catch(() => over.abort());
  const statements = sqlite ? runStatements(sqlite, over.signal) : Promise.resolve(0);
  const shopRequests = Math.round(requests * shopShare);
  try {
    await Promise.all([
      load(requests - shopRequests, over.signal, (index) => {
        const one = visits[index % visits.length]!;
        return visit(one.tls ? server.ports.get('https')! : server.port, one);
      }),
      load(shopRequests, over.signal, (index) =>
        visit(shop.port, { path: `/orders/${index}`, answer: `{"id":"${index}"}` }),
      ),
    ]);
  } catch (error) {
    const ends = fixtures.map((fixture) => fixture.stderr()).join('');
    throw new Error(`Node.js ${release}: ${ends || 'a request failed'}`, { cause: error });
  } finally {
    over.abort();
    for (const agent of Object.values(agents)) agent.destroy();
  }
  const { cycles, spans } = await attaching;
  const ran = await statements;
  for (const fixture of fixtures) {
    const { code, signal } = await fixture.stop();
    if (code !== 0) throw new Error(`Node.js ${release}: a server ended with ${signal ?? code}: ${fixture.stderr()}`);
  }
  return `${requests} requests and ${ran} statements answered; attached ${cycles} times; ${spans} spans`;
}

async function runStatements(sqlite: NodeFixture, stop: AbortSignal): Promise<number> {
  let ran = 0;
  for (; !stop.aborted; ran += 100) {
    await sqlite.control('do all 50');
    await sqlite.control('do duplicate 50');
    await pause(10);
  }
  return ran;
}

const releases = allNodeReleases.filter((release) => options.release?.includes(release) ?? true);
const postgres = await startPostgres({ max_connections: 200 });
try {
  for (const release of releases) {
    const from = performance.now();
    const result = await soak(release, Number(options.requests), postgres);
    console.log(`Node.js ${release}: ${result}; ${Math.round((performance.now() - from) / 1000)} s`);
  }
} finally {
  await postgres.stop();
}
