/** Go database/sql in real programs: each operation is one span, in every form, Go release and kind of build. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allGoReleases, type GoRelease, type GoVariant } from '../support/go-fixture.ts';
import { type GoSqlFixture, startGoSqlFixture } from '../support/go-sql-fixture.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

const builds: readonly (readonly [GoRelease, GoVariant])[] = [
  ...allGoReleases.map((go) => [go, 'stripped'] as const),
  ['1.26', 'normal'],
  ['1.26', 'pie'],
  ['1.26', 'stripped-pie'],
];

const times = (count: number, name: string) => Array<string>(count).fill(name);
/** What test/fixtures/go-sql/forms.go does, in its order. */
const forms = [
  ...['query', 'query_context', 'query_row', 'query_row_context'].map((form) => `SELECT db_${form}`),
  ...['exec', 'exec_context'].map((form) => `UPDATE db_${form}`),
  'PREPARE stmt',
  ...times(6, 'SELECT stmt'),
  'PREPARE stmt_context',
  'BEGIN',
  ...['query', 'query_context', 'query_row'].map((form) => `SELECT tx_${form}`),
  ...['exec', 'exec_context'].map((form) => `UPDATE tx_${form}`),
  'PREPARE tx_stmt',
  ...times(2, 'SELECT tx_stmt'),
  'SELECT stmt',
  'COMMIT',
  'BEGIN',
  'ROLLBACK',
  'SELECT conn_query',
  'SELECT conn_query_row',
  'UPDATE conn_exec',
  'PREPARE conn_stmt',
  ...times(2, 'SELECT conn_stmt'),
  'BEGIN',
  'UPDATE conn_tx',
  'ROLLBACK',
];
/**
 * A held connection is given back more often than operations end there: by 5 queries and 5 runs of prepared statements, by `tx.Stmt`, and
 * by the transaction on a Conn.
 */
const givenBack = 12;

const names = (spans: readonly DecodedSpan[]) => spans.map(({ name }) => name);
const failureOf = ({ name, attributes, status }: DecodedSpan) => [
  name,
  status.code === 2 ? attributes['error.type'] : undefined,
];

describeKernel('Go database/sql spans', () => {
  let watch: KernelWatch;
  let world: World;
  const fixtures: GoSqlFixture[] = [];

  const start = async (go: GoRelease = '1.26', variant: GoVariant = 'stripped') => {
    const fixture = await startGoSqlFixture(await world.binary(go, variant, 'go-sql'));
    fixtures.push(fixture);
    return fixture;
  };
  const traced = async (fixture: GoSqlFixture) => world.agent({ pids: [fixture.pid] });

  beforeAll(async () => {
    watch = watchKernel();
    world = await openWorld();
  });
  afterAll(async () => {
    await world.close();
    await Promise.all(fixtures.map((fixture) => fixture.stop()));
    await watch.assertNothingLeft();
  });

  test('every form, in every Go release and build: one span and two hits each', { timeout: 900_000 }, async () => {
    const all = await Promise.all(builds.map(([go, variant]) => start(go, variant)));
    const agent = await world.agent({ pids: all.map(({ pid }) => pid) });
    for (const [index, fixture] of all.entries()) {
      await fixture.order('fast forms');
      const spans = await spansOf(world.receiver, fixture.pid, forms.length);
      expect(names(spans), builds[index]!.join(' ')).toEqual(forms);
      for (const span of spans) {
        expect(span).toMatchObject({ kind: 3, attributes: { 'db.system.name': 'other_sql' } });
        expect(span.status.code).toBe(0);
        expect(`${span.name} ${JSON.stringify(span.attributes)}`).not.toMatch(/secret|4711/);
      }
    }
    expect(new Set(world.receiver.spans().map(({ traceId }) => traceId)).size).toBe(builds.length * forms.length);
    const { report } = await agent.stop();
    expect(report).toMatchObject({ spans: { client: builds.length * forms.length }, lost: [] });
    const probes = report.probes.filter(({ definition }) => definition === 'go/database/sql');
    const moments = new Map(probes.map(({ binary, moment, hits }) => [`${binary} ${moment}`, hits]));
    const hits = [...moments.values()].reduce((sum, count) => sum + count, 0);
    expect(hits).toBe(builds.length * (2 * forms.length + givenBack));
    expect(probes.map((probe) => probe.class)).not.toContain('stepped');
  });

  test('what a span says', async () => {
    const fixture = await start();
    const agent = await traced(fixture);
    await fixture.order('fast forms');
    const spans = await spansOf(world.receiver, fixture.pid, forms.length);
    expect(spans[0]!.attributes).toEqual({
      'db.system.name': 'other_sql',
      'db.query.text': 'SELECT a FROM db_query WHERE b = ? AND c = ?',
      'db.query.summary': 'SELECT db_query',
      'db.operation.name': 'SELECT',
      'db.collection.name': 'db_query',
    });
    const prepare = spans.find(({ name }) => name === 'PREPARE stmt_context');
    expect(prepare?.attributes).toMatchObject({
      'db.query.text': 'UPDATE stmt_context SET a = ?',
      'db.operation.name': 'PREPARE',
    });
    expect(spans.find(({ name }) => name === 'COMMIT')?.attributes).toEqual({
      'db.system.name': 'other_sql',
      'db.query.summary': 'COMMIT',
      'db.operation.name': 'COMMIT',
    });
    await agent.stop();
  });

  test.each(['plain', 'skipping'])('a driver that prepares every statement: %s', async (driver) => {
    const fixture = await start();
    const agent = await traced(fixture);
    await fixture.order(`${driver} forms`);
    expect(names(await spansOf(world.receiver, fixture.pid, forms.length))).toEqual(forms);
    expect((await agent.stop()).report.lost).toEqual([]);
  });

  test.each([
    ['1.21', 'unoptimised'],
    ['1.26', 'stripped'],
    ['1.26', 'unoptimised'],
    ['1.27', 'unoptimised'],
  ] as const)(
    'failures are spans with an error, each by its type: Go %s, %s',
    { timeout: 400_000 },
    async (go, variant) => {
      const fixture = await start(go, variant);
      const agent = await traced(fixture);
      await fixture.order('fast failures');
      await fixture.order('fast refused');
      const spans = await spansOf(world.receiver, fixture.pid, 20);
      const failure = '*main.failure';
      expect(spans.map(failureOf)).toEqual([
        ['SELECT fail_query', failure],
        ['UPDATE fail_exec', failure],
        ['PREPARE fail_prepare', failure],
        ['PREPARE fail_stmt', undefined],
        ['BEGIN', undefined],
        ['SELECT fail_stmt', failure],
        ['SELECT fail_stmt', failure],
        ['SELECT fail_tx_query', failure],
        ['UPDATE fail_tx_exec', failure],
        ['PREPARE fail_tx_prepare', failure],
        ['SELECT fail_conn_query', failure],
        ['UPDATE fail_conn_exec', failure],
        ['COMMIT', failure],
        ['SELECT cancelled', 'canceled'],
        ['UPDATE deadline', 'timeout'],
        ['SELECT no_rows', undefined],
        ['SELECT refused_query', '*errors.errorString'],
        ['UPDATE refused_exec', '*errors.errorString'],
        ['PREPARE refused_prepare', '*errors.errorString'],
        ['BEGIN', '*errors.errorString'],
      ]);
      const deadline = spans.find(({ name }) => name === 'UPDATE deadline')!;
      expect(deadline.endUnixNs - deadline.startUnixNs).toBeGreaterThan(20_000_000n);
      expect(JSON.stringify(spans.map(({ attributes, status }) => [attributes, status]))).not.toContain('4711');
      expect((await agent.stop()).report.lost).toEqual([]);
    },
  );

  test.each(['stripped', 'unoptimised'] as const)(
    'attempts on bad connections are one operation: %s',
    async (variant) => {
      const fixture = await start('1.26', variant);
      const agent = await traced(fixture);
      await fixture.order('fast retries');
      const spans = await spansOf(world.receiver, fixture.pid, 31);
      const round = (error: string | undefined) => [
        ['PREPARE retry_stmt', undefined],
        ['SELECT retry_query', error],
        ['UPDATE retry_exec', error],
        ['SELECT retry_stmt', error],
        ['SELECT retry_stmt', error],
      ];
      expect(spans.map(failureOf)).toEqual([
        ...[1, 1, 2, 2].flatMap(() => round(undefined)),
        ...round('driver.ErrBadConn'),
        ...round('main.wrappedBadConn'),
        ['UPDATE retry_end', undefined],
      ]);
      expect((await agent.stop()).report.lost).toEqual([]);
    },
  );

  test('an operation that a panic leaves is counted, and the next one is a span', async () => {
    const fixture = await start();
    const agent = await traced(fixture);
    await fixture.order('fast panics');
    expect(names(await spansOf(world.receiver, fixture.pid, 1))).toEqual(['UPDATE after_panic']);
    expect((await agent.stop()).report.lost).toEqual([{ stage: 'bpf', reason: 'never_ended', count: 1 }]);
  });

  test('200 goroutines at once: every operation, none twice', async () => {
    const fixture = await start();
    const agent = await traced(fixture);
    await fixture.order('fast load 200 30');
    const spans = await spansOf(world.receiver, fixture.pid, 6001);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(6001);
    const count = (pattern: RegExp) => names(spans).filter((name) => pattern.test(name)).length;
    expect([count(/^PREPARE/), count(/^SELECT load/), count(/^SELECT prepared$/), count(/^UPDATE load/)]).toEqual([
      1, 2000, 2000, 2000,
    ]);
    for (let worker = 0; worker < 200; worker++) {
      expect(count(new RegExp(`^(SELECT|UPDATE) load_${worker}$`)), `worker ${worker}`).toBe(20);
    }
    expect((await agent.stop()).report.lost).toEqual([]);
  });
});
