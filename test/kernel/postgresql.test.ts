/** 'postgresql': the statements of a real server, in every way in which a client can send one, and in which one can end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { sqlStates, untilAsleep, wire } from '../support/postgres-wire.ts';
import { describeKernel } from './native-fixture.ts';
import { openPostgresWorld, type PostgresWorld, type TracedSession } from './postgresql-world.ts';

const { query, parse, bind, describe: describeStatement, execute, sync } = wire;
const operations = (spans: readonly DecodedSpan[]) => spans.map(({ attributes }) => attributes['db.operation.name']);
const codes = (spans: readonly DecodedSpan[]) =>
  spans.map(({ attributes }) => attributes['db.response.status_code'] as string | undefined);
const isAfter = (later: DecodedSpan | undefined, earlier: DecodedSpan | undefined) =>
  expect(later!.startUnixNs).toBeGreaterThanOrEqual(earlier!.endUnixNs);

describeKernel('postgresql', () => {
  leavesNothingInKernel();
  let world: PostgresWorld;
  let session: TracedSession;

  beforeAll(async () => {
    world = await openPostgresWorld({ settings: { statement_timeout: '20s' } });
    await world.server.psql('create table account (id int primary key, owner text not null)');
    session = await world.session();
  });
  afterAll(async () => {
    const { report } = await world.agent.stop();
    await world.close();
    expect(report.lost).toEqual([]);
    expect(report.probes.filter(({ definition }) => definition === 'postgresql')).not.toEqual([]);
    expect(report.probes.filter((probe) => probe.class === 'stepped')).toEqual([]);
  });

  test('who asked whom, and when', async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    await session.send(query('select owner from account where id = 1'));
    const after = BigInt(Date.now() + 1) * 1_000_000n;
    const [span] = await session.next(1);
    expect(span).toMatchObject({ name: 'SELECT account', kind: 2, parentSpanId: undefined, status: { code: 0 } });
    expect(span!.startUnixNs).toBeGreaterThanOrEqual(before);
    expect(span!.endUnixNs).toBeGreaterThan(span!.startUnixNs);
    expect(span!.endUnixNs).toBeLessThanOrEqual(after);
    expect(span!.attributes).toMatchObject({
      'db.system.name': 'postgresql',
      'db.namespace': 'postgres',
      'db.query.text': 'select owner from account where id = ?',
      'db.query.summary': 'SELECT account',
      'db.operation.name': 'SELECT',
      'db.collection.name': 'account',
      'user.name': 'postgres',
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': session.port,
      'uspan.postgresql.application_name': session.application,
      'uspan.postgresql.backend_pid': session.pid,
    });
    // All sessions are one service: the postmaster's.
    expect(span!.resource).toMatchObject({ 'service.name': 'postgres', 'process.pid': world.server.pid });
  });

  test('over a Unix socket there is no address', async () => {
    const local = await world.session({ unix: true });
    await local.send(query('select 1'));
    const [{ attributes }] = (await local.next(1)) as [DecodedSpan];
    expect(attributes).toMatchObject({ 'db.namespace': 'postgres', 'uspan.postgresql.backend_pid': local.pid });
    expect(Object.keys(attributes).filter((key) => /address|port/.test(key))).toEqual([]);
  });

  test('SET application_name is followed', async () => {
    const renamed = await world.session();
    await renamed.send(query('select 1'));
    await renamed.send(query("set application_name = 'someone else'"));
    await renamed.send(query('select 2'));
    expect(operations(await renamed.next(2))).toEqual(['SELECT', 'SET']);
    expect(operations(await world.spans('someone else', 1))).toEqual(['SELECT']);
  });

  test('several statements in one message are one span', async () => {
    await session.send(query('select 1; select 2; insert into account values (1, $$one$$)'));
    const [span] = await session.next(1);
    expect(span!.name).toBe('SELECT; SELECT; INSERT account');
    // An empty text is not a statement.
    await session.send(query(''), query(';'), query('-- just a comment'), query('select 3'));
    await session.next(1);
  });

  test('the extended protocol: a span an execution, not one for preparing', async () => {
    await session.send(parse('select $1::text'), bind(['a']), describeStatement(), execute(), sync());
    await session.next(1);
    await session.send(parse('select owner from account where id = $1', 'by_id'), describeStatement('by_id'), sync());
    for (let i = 0; i < 3; i++) await session.send(bind(['1'], 'by_id'), execute(), sync());
    const spans = await session.next(3);
    expect(operations(spans)).toEqual(['SELECT', 'SELECT', 'SELECT']);
    isAfter(spans[1], spans[0]);
  });

  test('pipelined: a span each, one after the other', async () => {
    await session.send(
      ...[parse('select 1'), bind(), execute()],
      ...[parse("update account set owner = 'x'"), bind(), execute()],
      ...[parse('delete from account'), bind(), execute()],
      sync(),
    );
    const mixed = await session.next(3);
    expect(operations(mixed)).toEqual(['SELECT', 'UPDATE', 'DELETE']);
    isAfter(mixed[1], mixed[0]);
    isAfter(mixed[2], mixed[1]);
    const again = [bind(['1'], 'by_id'), execute()];
    await session.send(...again, ...again, ...again, ...again, sync());
    await session.next(4);
  });

  test('pipelined: what comes after a failure is not executed', async () => {
    const replies = await session.send(
      ...[parse('select 1'), bind(), execute()],
      ...[parse('select 1/0'), bind(), execute()],
      ...[parse('select 2'), bind(), execute()],
      sync(),
    );
    expect(sqlStates(replies)).toEqual(['22012']);
    expect(codes(await session.next(2))).toEqual([undefined, '22012']);
  });

  test('a result fetched in parts: a span a fetch', async () => {
    await session.send(query('begin'));
    await session.send(parse('select generate_series(1, 30)'), bind(), execute(10), sync());
    await session.send(query('commit'));
    expect(operations(await session.next(3))).toEqual(['BEGIN', 'SELECT', 'COMMIT']);
  });

  describe('errors', () => {
    test.each([
      ['42601', 'selekt'],
      ['42P01', 'select * from nowhere'],
      ['42703', 'select nothing from account'],
      ['22012', 'select 1/0'],
      ['22P02', "select 'x'::int"],
      ['23502', 'insert into account values (7, null)'],
      ['23505', "insert into account values (8, ''), (8, '')"],
      ['P0001', "do $$ begin raise exception 'by hand'; end $$"],
      ['UE123', "do $$ begin raise exception 'coded' using errcode = 'UE123'; end $$"],
      // Raised again with what was caught.
      ['22012', 'do $$ begin perform 1/0; exception when others then raise; end $$'],
      // Two errors: the last one counts.
      ['42P01', 'do $$ begin perform 1/0; exception when others then perform * from nowhere; end $$'],
      // A notice with a code of its own comes before.
      ['22012', 'create table if not exists account (id int); select 1/0'],
      // An error without a code of its own.
      ['XX000', "select to_tsvector(0::regconfig, 'x')"],
      ['25001', 'begin; vacuum account'],
    ])('%s %s', async (code, sql) => {
      const failing = await world.session();
      expect(sqlStates(await failing.send(query(sql)))).toEqual([code]);
      const [span] = await failing.next(1);
      expect(span).toMatchObject({
        status: { code: 2 },
        attributes: { 'db.response.status_code': code, 'error.type': code },
      });
    });

    test('where only errno tells the code, none is made up', async () => {
      const failing = await world.session();
      expect(sqlStates(await failing.send(query("copy account from '/nowhere'")))).toEqual(['58P01']);
      const [span] = await failing.next(1);
      expect(span).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': '_OTHER' } });
      expect(codes([span!])).toEqual([undefined]);
    });

    test('every statement of a failed transaction', async () => {
      const failing = await world.session();
      for (const sql of ['begin', 'select 1/0', 'select 1', 'rollback']) await failing.send(query(sql));
      expect(codes(await failing.next(4))).toEqual([undefined, '22012', '25P02', undefined]);
    });

    test('at COMMIT', async () => {
      const failing = await world.session();
      await failing.send(
        query('create table child (id int references account deferrable initially deferred)'),
        query('begin'),
        query('insert into child values (999)'),
        query('commit'),
      );
      const spans = await failing.next(4);
      expect(codes(spans)).toEqual([undefined, undefined, undefined, '23503']);
      expect(operations(spans).at(-1)).toBe('COMMIT');
    });

    test('in a parallel worker, which makes no span of its own', async () => {
      const failing = await world.session();
      const replies = await failing.send(
        query('create table shared as select 1 as one'),
        query('set force_parallel_mode = on'),
        query('select 1 / (one - one) from shared'),
      );
      const error = replies.find(({ type }) => type === 'E')!.body.toString();
      expect(error).toContain('parallel worker');
      expect(codes(await failing.next(3))).toEqual([undefined, undefined, '22012']);
    });

    test('while a parameter is read', async () => {
      const failing = await world.session();
      const [code] = sqlStates(await failing.send(parse('select $1::int'), bind(['x']), execute(), sync()));
      expect(codes(await failing.next(1))).toEqual([code]);
      expect(code).toBe('22P02');
    });

    test('caught ones, and notices, are none', async () => {
      const calm = await world.session();
      await calm.send(
        query('do $$ begin perform 1/0; exception when division_by_zero then null; end $$'),
        query('drop table if exists nowhere'),
        query("do $$ begin raise warning 'by hand' using errcode = '22012'; end $$"),
      );
      const spans = await calm.next(3);
      expect(spans.map(({ status }) => status.code)).toEqual([0, 0, 0]);
      expect(codes(spans)).toEqual([undefined, undefined, undefined]);
    });
  });

  test('statement_timeout and cancel', async () => {
    const slow = await world.session();
    await slow.send(
      query("set statement_timeout = '30ms'"),
      query('select pg_sleep(60)'),
      query('reset statement_timeout'),
    );
    expect(codes(await slow.next(3))).toEqual([undefined, '57014', undefined]);
    slow.push(query('select pg_sleep(60)'));
    await untilAsleep(world.server, slow.pid);
    await world.server.psql(`select pg_cancel_backend(${slow.pid})`);
    await slow.reply('Z');
    expect(codes(await slow.next(1))).toEqual(['57014']);
  });

  test('a session that is terminated takes its statement with it', async () => {
    const doomed = await world.session();
    doomed.push(query('select pg_sleep(60)'));
    await untilAsleep(world.server, doomed.pid);
    await world.server.psql(`select pg_terminate_backend(${doomed.pid})`);
    expect(codes(await doomed.next(1))).toEqual(['57P01']);
  });

  test('COPY both ways, and one that the client gives up', async () => {
    const copying = await world.session();
    await copying.send(query('create temp table copied (a int)'));
    copying.push(query('copy copied from stdin'));
    await copying.reply('G');
    copying.push(wire.copyData('1\n2\n'), wire.copyDone());
    await copying.reply('Z');
    const out = await copying.send(query('copy copied to stdout'));
    expect(out.filter(({ type }) => type === 'd')).toHaveLength(2);
    copying.push(query('copy copied from stdin'), wire.copyFail('enough'));
    await copying.reply('Z');
    const spans = await copying.next(4);
    expect(operations(spans)).toEqual(['CREATE TABLE', 'COPY', 'COPY', 'COPY']);
    expect(codes(spans)).toEqual([undefined, undefined, undefined, '57014']);
  });

  test('longer than is kept: cut, and marked', async () => {
    const long = await world.session();
    await long.send(query('select 1'.padEnd(4096)), query('select 1'.padEnd(4097)));
    const spans = await long.next(2);
    expect(spans.map(({ attributes }) => attributes['uspan.truncated'])).toEqual([undefined, 'db.query.text']);
  });

  test('the wait between statements of a transaction belongs to none', async () => {
    const idle = await world.session();
    await idle.send(query('begin'));
    const begun = BigInt(Date.now() + 1) * 1_000_000n;
    await idle.send(query('commit'));
    const [begin] = await idle.next(2);
    expect(begin!.endUnixNs).toBeLessThanOrEqual(begun);
  });
});
