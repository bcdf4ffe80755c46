import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { concurrently, RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

/** For runs by hand, 5,000: MIX_REQUESTS=5000. */
const requests = Number(process.env.MIX_REQUESTS ?? 500);
const atOnce = 50;

describeKernel('fastify, pg and fetch, 50 requests at once', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let postgres: PostgresServer;
  beforeAll(async () => {
    execFileSync('make', [
      '-C',
      join(import.meta.dirname, '../../examples/node-app'),
      'node_modules/.package-lock.json',
    ]);
    world = await openNodeWorld();
    postgres = await startPostgres();
  }, 300_000);
  afterAll(async () => {
    await world.close();
    await postgres.stop();
  });

  test('every span is there, none twice, none with a parent it does not have', async () => {
    const app = await world.fixture(await world.binary(), 'node-mix', { env: postgres.env });
    const agent = await world.agent({ pids: [app.pid] });
    await concurrently(atOnce, async (i) => {
      const connection = await RawConnection.open(app.port);
      for (let id = i; id < requests; id += atOnce) {
        const { status } = await connection.request({ target: `/mix/${id}` });
        expect(status).toBe(200);
      }
      await connection.close();
    });
    const spans = await spansOf(world.receiver, app.pid, 7 * requests, 60_000);
    const ids = Array.from({ length: requests }, (_, id) => id);
    const of = (value: (span: DecodedSpan) => unknown) => spans.map(value).filter((each) => typeof each === 'string');
    expect(of(({ attributes }) => attributes['url.path']).sort()).toEqual(
      ids.flatMap((id) => [`/mix/${id}`, `/leaf/${id}`, `/twig/${id}`]).sort(),
    );
    expect(of(({ attributes }) => attributes['url.full']).sort()).toEqual(
      ids.flatMap((id) => ['leaf', 'twig'].map((path) => `http://127.0.0.1:${app.port}/${path}/${id}`)).sort(),
    );
    expect(of(({ attributes }) => attributes['db.query.text']).sort()).toEqual(
      ids.flatMap((id) => [`SELECT $1::int AS bound_${id}`, `SELECT ? AS plain_${id}`]).sort(),
    );
    for (const span of spans) {
      expect(span.status.code, JSON.stringify(span.attributes)).toBe(0);
      expect(span.parentSpanId).toBeUndefined();
    }
    const { report } = await agent.stop();
    expect(report.lost).toEqual([]);
    expect(report.counters.node_requests).toBe(7 * requests);
  }, 300_000);
});
