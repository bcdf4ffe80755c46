/** Go database/sql with popular drivers, on a real PostgreSQL and SQLite, and on a MySQL that is not there. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningAgent } from '../support/agent.ts';
import { type GoSqlFixture, startGoSqlFixture } from '../support/go-sql-fixture.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('Go database/sql, driver by driver', () => {
  leavesNothingInKernel();

  let world: World;
  let postgres: PostgresServer;
  let fixture: GoSqlFixture;
  let agent: RunningAgent;
  let seen = 0;

  beforeAll(async () => {
    world = await openWorld();
    postgres = await startPostgres();
    fixture = await startGoSqlFixture(await world.binary('1.26', 'stripped', 'go-sql-drivers'), postgres.env);
    agent = await world.agent({ pids: [fixture.pid] });
  }, 900_000);
  afterAll(async () => {
    await world?.close();
    await fixture?.stop();
    await postgres?.stop();
  });

  /** The spans of an order, and how many there must be. */
  async function ordered(order: string, count: number): Promise<DecodedSpan[]> {
    await fixture.order(order);
    const spans = await spansOf(world.receiver, fixture.pid, seen + count);
    seen += count;
    return spans.slice(-count);
  }

  test.each([
    ['pq', 'postgresql'],
    ['pq-connector', 'postgresql'],
    ['pgx', 'postgresql'],
    ['pgx-connector', 'postgresql'],
    ['sqlite', 'sqlite'],
  ])('%s', async (driver, system) => {
    const spans = await ordered(`${driver} shop`, 16);
    const table = `goods_${driver.replace('-', '_')}`;
    const statuses = system === 'sqlite' ? ['1555', '1', '1'] : ['23505', '42P01', '42601'];
    expect(spans.map(({ name, attributes }) => [name, attributes['db.response.status_code']])).toEqual([
      ...[
        'DROP TABLE',
        'CREATE TABLE',
        'INSERT',
        'INSERT',
        'SELECT',
        'SELECT',
        'PREPARE',
        'UPDATE',
        'UPDATE',
        'BEGIN',
        'DELETE',
        'SELECT',
        'COMMIT',
      ].map((operation) => [/BEGIN|COMMIT/.test(operation) ? operation : `${operation} ${table}`, undefined]),
      [`INSERT ${table}`, statuses[0]],
      ['SELECT nowhere', statuses[1]],
      ['SELECT', statuses[2]],
    ]);
    for (const { attributes, status, kind } of spans) {
      expect(attributes['db.system.name']).toBe(system);
      expect(attributes['error.type']).toBe(attributes['db.response.status_code']);
      expect([kind, status.code]).toEqual([3, attributes['error.type'] === undefined ? 0 : 2]);
      expect(JSON.stringify(attributes)).not.toContain('secret');
    }
    expect(spans[4]!.attributes['db.query.text']).toBe(`SELECT id, name FROM ${table} WHERE id > $1 ORDER BY id`);
  });

  test.each(['mysql', 'mysql-connector'])('%s: connections refused', async (driver) => {
    const [span] = await ordered(`${driver} ping`, 1);
    expect(span).toMatchObject({
      name: 'SELECT nowhere',
      status: { code: 2 },
      attributes: {
        'db.system.name': 'mysql',
        'db.query.text': 'SELECT ? FROM nowhere',
        'error.type': 'ECONNREFUSED',
      },
    });
  });

  test.each([
    ['pq', '57014'],
    ['pgx', 'timeout'],
  ])('%s: a statement that outlives its context', async (driver, error) => {
    const [span] = await ordered(`${driver} sleep`, 1);
    expect(span).toMatchObject({ name: 'SELECT', status: { code: 2 }, attributes: { 'error.type': error } });
    expect(span!.endUnixNs - span!.startUnixNs).toBeGreaterThan(50_000_000n);
  });

  test('nothing is lost', async () => {
    const { report } = await agent.stop();
    expect(report.lost).toEqual([]);
    expect(report.spans.client).toBe(seen);
  });
});
