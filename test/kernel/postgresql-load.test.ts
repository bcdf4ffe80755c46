/** 'postgresql' under load and in accidents: every statement is a span or a counted loss. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { PostgresServer } from '../support/postgres.ts';
import { openSession, untilAsleep, type WireSession, wire } from '../support/postgres-wire.ts';
import { runProcess } from '../support/process.ts';
import { describeKernel } from './native-fixture.ts';
import { openPostgresWorld, type PostgresWorld } from './postgresql-world.ts';

const { query } = wire;

describeKernel('postgresql under load', () => {
  leavesNothingInKernel();
  let world: PostgresWorld;
  afterEach(() => world.close());

  /** Runs pgbench under an application name. Returns how many transactions it made. */
  async function pgbench(server: PostgresServer, application: string, args: readonly string[]): Promise<number> {
    const env = { ...server.env, PGAPPNAME: application };
    const { code, stdout, stderr } = await runProcess(join(server.binDirectory, 'pgbench'), args, { env });
    if (code !== 0) throw new Error(stderr);
    return Number(/transactions actually processed: (\d+)/.exec(stdout)?.[1]);
  }

  test('pgbench: as many spans as statements, in every protocol', async () => {
    world = await openPostgresWorld();
    await pgbench(world.server, 'fill', ['-i', '-q']);
    for (const mode of ['simple', 'extended', 'prepared']) {
      const transactions = await pgbench(world.server, mode, ['-S', '-n', '-c4', '-j1', '-t500', `-M${mode}`]);
      expect(transactions).toBe(2000);
      const spans = await world.spans(mode, transactions, 'pgbench_accounts');
      expect(new Set(spans.map(({ name }) => name))).toEqual(new Set(['SELECT pgbench_accounts']));
      const texts = new Set(spans.map(({ attributes }) => attributes['db.query.text']));
      const value = mode === 'simple' ? '?' : '$1';
      expect(texts).toEqual(new Set([`SELECT abalance FROM pgbench_accounts WHERE aid = ${value};`]));
      expect(new Set(spans.map(({ status }) => status.code))).toEqual(new Set([0]));
    }
    const transactions = await pgbench(world.server, 'tpcb', ['-n', '-c4', '-j1', '-t100', '-Mprepared']);
    await world.spans('tpcb', 2 * transactions, 'pgbench_accounts');
    await world.spans('tpcb', transactions, 'pgbench_tellers');
    await world.spans('tpcb', transactions, 'pgbench_history');
    // It counts them before it begins.
    await world.spans('tpcb', transactions + 1, 'pgbench_branches');
    const { report } = await world.agent.stop();
    expect(report.lost).toEqual([]);
  });

  test('a backend that is killed: its statement is a counted loss, and the next sessions are traced', async () => {
    world = await openPostgresWorld();
    const doomed = await world.session();
    await doomed.send(query('select 1'));
    await doomed.next(1);
    doomed.push(query('select pg_sleep(60)'));
    await untilAsleep(world.server, doomed.pid);
    process.kill(doomed.pid, 'SIGKILL');
    // The postmaster ends all sessions and starts again.
    await expect.poll(() => world.server.psql('select 1').catch(() => 'not yet'), { timeout: 20_000 }).toBe('1');
    const next = await world.session();
    await next.send(query('select 2'));
    await next.next(1);
    const { report } = await world.agent.stop();
    expect(report.lost).toMatchObject([{ stage: 'bpf', count: 1 }]);
    expect(report.counters.lost_never_ended).toBe(0);
  });

  test('sessions that a crash ends make room at once', async () => {
    const sessions = 40;
    world = await openPostgresWorld({
      agent: ({ exe }) => ({ exeGlobs: [exe], extra: ['--max-in-flight', '64'] }),
    });
    for (let round = 0; round < 2; round++) {
      const asleep = await Promise.all(Array.from({ length: sessions }, () => world.session()));
      for (const session of asleep) session.push(query('select pg_sleep(60)'));
      for (const { pid } of asleep) await untilAsleep(world.server, pid);
      process.kill(asleep[0]!.pid, 'SIGKILL');
      await expect.poll(() => world.server.psql('select 1').catch(() => 'not yet'), { timeout: 20_000 }).toBe('1');
      // The exits of all of them are known soon. A scan of all processes comes every 15 s only.
      await expect.poll(() => /"reason":"process_ended"/.test(world.agent.stderr()), { timeout: 10_000 }).toBe(true);
      const next = await world.session();
      await next.send(query('select 2'));
      await next.next(1);
    }
    const { report } = await world.agent.stop();
    expect(report.lost).toEqual([{ stage: 'bpf', reason: 'process_ended', count: 2 * sessions }]);
    expect(report.counters.lost_in_flight_full).toBe(0);
  });

  test('chosen by the pid of its postmaster', async () => {
    world = await openPostgresWorld({ agent: ({ pid }) => ({ pids: [pid] }) });
    const session = await world.session();
    await session.send(query('select 1'));
    await session.next(1);
  });

  test('a session from before the agent is traced from its next statement on', async () => {
    let early: WireSession | undefined;
    world = await openPostgresWorld({
      before: async (server) => {
        early = await openSession(server, { application: 'early' });
        await early.send(query('begin'));
        early.push(query('select pg_sleep(60)'));
        await untilAsleep(server, early.pid);
      },
    });
    await world.server.psql(`select pg_cancel_backend(${early!.pid})`);
    await early!.reply('Z');
    await early!.send(query('rollback'));
    await early!.close();
    const [span] = await world.spans('early', 1);
    expect(span!.name).toBe('ROLLBACK');
    // Its process, and the server's others, do not count as new.
    expect(world.agent.stderr().match(/ attached /g)).toHaveLength(1);
  });
});
