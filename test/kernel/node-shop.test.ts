import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type NodeRelease, nodeBinary } from '../support/node-fixture.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

const concurrency = 50;

/** Each kind of span that a request must leave, and where it carries the request's number. */
const expected = [
  { what: 'server', kind: 2, attribute: 'url.path', number: /^\/orders\/(\d+)$/ },
  { what: 'fetch', kind: 3, attribute: 'url.full', number: /\/items\/(\d+)$/ },
  { what: 'http.get', kind: 3, attribute: 'url.full', number: /\/status\/200\?id=(\d+)$/ },
  { what: 'simple statement', kind: 3, attribute: 'db.query.text', number: /^SELECT \? AS simple_(\d+)$/ },
  { what: 'prepared statement', kind: 3, attribute: 'db.query.text', number: /^SELECT \$1::int AS prepared_(\d+)$/ },
] as const;

/** fastify, pg and fetch. Everything that a request does carries its number (test/fixtures/node-shop). */
describeKernel('a fastify service with PostgreSQL and outgoing calls', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let postgres: PostgresServer;

  beforeAll(async () => {
    [world, postgres] = await Promise.all([openNodeWorld(), startPostgres()]);
  });
  afterAll(() => Promise.all([world.close(), postgres.stop()]));

  test.each<[NodeRelease, number]>([
    ['24', 5000],
    ['18', 200],
    ['20', 200],
    ['22', 200],
    ['26', 200],
  ])(
    'Node.js %s, %i requests: every span once, and no wrong parent',
    { timeout: 180_000 },
    async (release, requests) => {
      const upstream = await world.fixture(await nodeBinary('24'), 'node-http');
      const shop = await world.fixture(await world.binary(release), 'node-shop', {
        args: [`--upstream=http://127.0.0.1:${upstream.port}`],
        env: postgres.env,
      });
      const agent = await world.agent({ pids: [shop.pid] });
      await visit(shop.port, requests);
      const spans = await spansOf(world.receiver, shop.pid, requests * expected.length, 60_000);
      expect(await shop.stats()).toEqual({ requests, calls: 2 * requests, queries: 2 * requests });

      const numberOf = expectEachOnce(spans, requests);
      expect(spans.filter((span) => isWrong(span, spans, numberOf))).toEqual([]);
      expect(spans.filter(({ status }) => status.code !== 0)).toEqual([]);
      const { report } = await agent.stop();
      expect(report.lost).toEqual([]);
    },
  );
});

/** The number of each span's request. */
function expectEachOnce(spans: readonly DecodedSpan[], requests: number): ReadonlyMap<DecodedSpan, number> {
  const numberOf = new Map<DecodedSpan, number>();
  for (const { what, kind, attribute, number } of expected) {
    const found = new Set<number>();
    for (const span of spans.filter((span) => span.kind === kind)) {
      const match = number.exec(String(span.attributes[attribute]));
      if (!match) continue;
      numberOf.set(span, Number(match[1]));
      found.add(Number(match[1]));
    }
    expect(found.size, what).toBe(requests);
  }
  expect(numberOf.size).toBe(requests * expected.length);
  return numberOf;
}

/** No parent is right, and so is a parent that is the request's. */
function isWrong(span: DecodedSpan, all: readonly DecodedSpan[], numberOf: ReadonlyMap<DecodedSpan, number>): boolean {
  if (span.parentSpanId === undefined) return false;
  const parent = all.find(({ spanId }) => spanId === span.parentSpanId);
  return parent?.kind !== 2 || numberOf.get(parent) !== numberOf.get(span);
}

/** Sends the requests on kept-alive connections. Rejects unless all answers are 200 with their own number. */
async function visit(port: number, requests: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  let next = 0;
  const visitor = async () => {
    while (next < requests) {
      const id = next++;
      const body = await new Promise<string>((resolve, reject) => {
        const request = get({ agent, port, host: '127.0.0.1', path: `/orders/${id}` }, (response) => {
          text(response).then(
            (body) => (response.statusCode === 200 ? resolve(body) : reject(new Error(body))),
            reject,
          );
        });
        request.on('error', reject);
      });
      expect(JSON.parse(body)).toEqual({ id: String(id) });
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, visitor));
  } finally {
    agent.destroy();
  }
}
