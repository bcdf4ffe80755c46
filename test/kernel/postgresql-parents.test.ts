/** The parent of a statement: its own comment names it, or it has none. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { wire } from '../support/postgres-wire.ts';
import { describeKernel } from './native-fixture.ts';
import { openPostgresWorld, type PostgresWorld, type TracedSession } from './postgresql-world.ts';

const { query, parse, bind, execute, sync } = wire;
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';
const traceparent = (flags = '01') => `traceparent='00-${traceId}-${parentSpanId}-${flags}'`;

describeKernel('the parent of a statement', () => {
  leavesNothingInKernel();
  let world: PostgresWorld;
  let session: TracedSession;
  beforeAll(async () => {
    world = await openPostgresWorld();
    session = await world.session();
  });
  afterAll(() => world.close());

  test.each([
    ['at the end', `select 1 /*${traceparent()}*/`],
    ['at the start', `/*${traceparent()}*/ select 1`],
    ['among other keys', `select 1 /*controller='shop',${traceparent()},tracestate='a=1'*/`],
    ['behind another comment', `/* shop */ select 1 /*${traceparent()}*/`],
    ['in front of another comment', `/*${traceparent()}*/ select 1 /* shop */`],
    ['before a semicolon', `select 1 /*${traceparent()}*/;`],
    ['before spaces', `select 1 /*${traceparent()}*/ `],
    ['before another comment at the end', `select 1 /*${traceparent()}*/ /* shop */`],
    ['behind tracestate', `select 1 /*tracestate='a=1',${traceparent()}*/ ;`],
    ['behind a long statement', `select '${'x'.repeat(4000)}' /*${traceparent()}*/`],
  ])('is named in a comment %s', async (_, sql) => {
    await session.send(query(sql));
    expect(await session.next(1)).toMatchObject([{ traceId, parentSpanId, flags: 0x301 }]);
    await session.send(parse(sql), bind(), execute(), sync());
    expect(await session.next(1)).toMatchObject([{ traceId, parentSpanId }]);
  });

  test.each([
    ['a literal', `select $$ /*${traceparent()}*/ $$`],
    ['a literal before a comment', `select $$${traceparent()}$$ /* shop */`],
    ['a literal behind a comment', `/* shop */ select $$${traceparent()}*/$$`],
    ['a comment in the middle', `select /*${traceparent()}*/ 1`],
    ['a cut comment', `select '${'x'.repeat(5000)}' /*${traceparent()}*/`],
    ['no traceparent', `select 1 /*traceparent='00-${traceId}-${'0'.repeat(16)}-01'*/`],
    ['a version to come', `select 1 /*traceparent='ff-${traceId}-${parentSpanId}-01'*/`],
    ['a longer one', `select 1 /*traceparent='00-${traceId}-${parentSpanId}-01-more'*/`],
  ])('is not made up from %s', async (_, sql) => {
    await session.send(query(sql));
    const [span] = await session.next(1);
    expect(span!.parentSpanId).toBeUndefined();
    expect(span!.traceId).not.toBe(traceId);
  });

  const parents = async (count: number) => (await session.next(count)).map((span) => span.parentSpanId);
  const run = (name: string) => session.send(bind([], name), execute(), sync());

  test('is that of whoever prepared the statement for its first execution, and not for another', async () => {
    await session.send(parse(`select 1 /*${traceparent()}*/`, 'prepared'), sync());
    await run('prepared');
    await run('prepared');
    await session.send(bind([], 'prepared'), execute(), bind([], 'prepared'), execute(), sync());
    expect(await parents(4)).toEqual([parentSpanId, undefined, undefined, undefined]);
  });

  test('is kept while other statements come between preparing and executing', async () => {
    const other = `traceparent='00-${traceId}-${'1'.repeat(16)}-01'`;
    await session.send(parse(`select 1 /*${traceparent()}*/`, 'one'), sync());
    await session.send(parse(`select '${'x'.repeat(2000)}' /*${other}*/`, 'two'), sync());
    await session.send(query('select 3'), query(''));
    await run('two');
    await run('one');
    await run('two');
    expect(await parents(4)).toEqual([undefined, '1'.repeat(16), parentSpanId, undefined]);
  });

  test('an unnamed statement has its own, whenever it is prepared', async () => {
    for (const id of ['2'.repeat(16), '3'.repeat(16)]) {
      await session.send(parse(`select 1 /*traceparent='00-${traceId}-${id}-01'*/`), sync());
      await session.send(bind(), execute(), sync());
    }
    expect(await parents(2)).toEqual(['2'.repeat(16), '3'.repeat(16)]);
  });

  test('an old statement does not have that of a new one in the same pipeline', async () => {
    await session.send(parse(`select 1 /*traceparent='00-${traceId}-${'4'.repeat(16)}-01'*/`, 'old'), sync());
    await run('old');
    await session.send(parse(`select 1 /*${traceparent()}*/`, 'new'), bind([], 'old'), execute(), sync());
    await run('new');
    expect(await parents(3)).toEqual(['4'.repeat(16), undefined, parentSpanId]);
  });

  test('decides whether there is a span', async () => {
    await session.send(query(`select 1 /*${traceparent('00')}*/`), query('select 2'));
    await session.next(1);
  });
});
