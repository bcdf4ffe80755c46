import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import type { RunningAgent } from '../support/agent.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { NodeFixture, NodeRelease } from '../support/node-fixture.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

const definition = 'node/sqlite';
/** The releases that have node:sqlite. */
const releases = ['22', '24', '26'] as const satisfies readonly NodeRelease[];

/** One agent for all releases at once, on a program that runs a statement for each command. */
describeKernel('node:sqlite, every release', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let agent: RunningAgent;
  let report: Report;
  const programs = new Map<NodeRelease, { binary: string; program: NodeFixture }>();

  beforeAll(async () => {
    world = await openNodeWorld();
    for (const release of releases) {
      const binary = await world.binary(release);
      programs.set(release, { binary, program: await world.fixture(binary, 'node-sqlite') });
    }
    agent = await world.agent({ pids: [...programs.values()].map(({ program }) => program.pid) });
  }, 900_000);
  afterAll(() => world.close());

  describe.each(releases)('Node.js %s', (release) => {
    let seen = 0;

    /** The spans of one act: what the process has sent since the last one. One more statement shows that there are no others. */
    async function spansOfAct(act: string, count: number, thread = false): Promise<DecodedSpan[]> {
      const { program } = programs.get(release)!;
      await program.control(`${thread ? 'thread' : 'do'} ${act}`);
      await program.control('do getNone');
      const spans = await spansOf(world.receiver, program.pid, seen + count + 1);
      const own = spans.slice(seen, seen + count);
      expect(spans.at(-1)!.attributes['db.query.text']).toBe('SELECT * FROM tea WHERE id <= ?');
      seen = spans.length;
      return own;
    }

    test.each([
      ['insert 100', 100, 'INSERT tea', 'INSERT INTO tea (id, name) VALUES (?, ?)'],
      ['all', 1, 'SELECT tea', 'SELECT * FROM tea WHERE id <= ?'],
      ['get', 1, 'SELECT tea', 'SELECT * FROM tea WHERE id <= ?'],
      ['runSelect', 1, 'SELECT tea', 'SELECT * FROM tea WHERE id <= ?'],
      ['iterate', 1, 'SELECT tea', 'SELECT * FROM tea WHERE id <= ?'],
      ['iterateAndBreak', 1, 'SELECT tea', 'SELECT * FROM tea WHERE id <= ?'],
      ['manyRows', 1, undefined, undefined],
      ['fullTextInsert', 1, 'INSERT note', 'INSERT INTO note (body) VALUES (?)'],
      ['fullTextSearch', 1, 'SELECT note', 'SELECT body FROM note WHERE note MATCH ?'],
      ['script', 1, 'DELETE tea; UPDATE tea', 'DELETE FROM tea WHERE id = ?; UPDATE tea SET name = ? WHERE id = ?'],
      // It means nothing, because the statement has not begun.
      ['badBinding', 0, undefined, undefined],
    ])('%s: %i span', async (act, count, name, text) => {
      const spans = await spansOfAct(act, count);
      for (const span of spans) {
        expect(span).toMatchObject({
          kind: 3,
          parentSpanId: undefined,
          status: { code: 0 },
          attributes: { 'db.system.name': 'sqlite', ...(text && { 'db.query.text': text }) },
        });
        if (name) expect(span.name).toBe(name);
        expect(span.attributes).not.toHaveProperty('error.type');
      }
      expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(count);
    });

    test.each([
      // sqlite3.h: SQLITE_CONSTRAINT_PRIMARYKEY, which sqlite3_exec() gives as SQLITE_CONSTRAINT; SQLITE_ERROR of sqlite3_prepare().
      ['duplicate', 'INSERT tea', '1555', 'INSERT INTO tea (id, name) VALUES (?, ?)'],
      ['badScript', 'INSERT tea; SELECT', '19', 'INSERT INTO tea (id) VALUES (?); SELECT ?'],
      ['noTable', 'PREPARE coffee', '1', 'SELECT * FROM coffee WHERE name = ?'],
    ])('%s fails', async (act, name, code, text) => {
      const [span] = await spansOfAct(act, 1);
      expect(span).toMatchObject({
        name,
        status: { code: 2 },
        attributes: { 'db.query.text': text, 'db.response.status_code': code, 'error.type': code },
      });
    });

    test('statements within statements are spans of their own', async () => {
      const nested = await spansOfAct('nested', 2);
      expect(nested.map(({ attributes }) => attributes['db.query.text']).sort()).toEqual([
        'SELECT count(*) AS teas FROM tea',
        'SELECT inner_count()',
      ]);
      const within = await spansOfAct('iterateWithin', 101);
      expect(
        within.filter(
          ({ name, attributes }) => name === 'SELECT tea' && /count/.test(String(attributes['db.query.text'])),
        ).length,
      ).toBe(100);
    });

    test('a transaction by exec()', async () => {
      const spans = await spansOfAct('transaction', 3);
      expect(spans.map(({ name }) => name)).toEqual(['BEGIN', 'INSERT tea', 'ROLLBACK']);
    });

    test('how long it took', async () => {
      const [span] = await spansOfAct('slow', 1);
      expect(Number(span!.endUnixNs - span!.startUnixNs)).toBeGreaterThan(60e6);
    });

    test('a long text is cut, and says so', async () => {
      const [span] = await spansOfAct('long', 1);
      expect(span!.attributes['uspan.truncated']).toBe('db.query.text');
      expect(String(span!.attributes['db.query.text']).startsWith('SELECT id AS column_0, id AS column_1')).toBe(true);
    });

    // Since Node.js 24.9.
    if (release !== '22')
      test('tagged templates', async () => {
        const [span] = await spansOfAct('tagged', 1);
        expect(span).toMatchObject({
          name: 'SELECT tea',
          attributes: { 'db.query.text': 'SELECT name FROM tea WHERE id = ?' },
        });
      });

    test('worker threads, with the main thread at work', async () => {
      const { program } = programs.get(release)!;
      // Opening the worker's database runs two scripts, and nothing else.
      await Promise.all([
        program.control('thread insert 200'),
        program.control('thread all 200'),
        program.control('do get 200'),
      ]);
      const spans = (await spansOf(world.receiver, program.pid, seen + 604)).slice(seen);
      seen += 604;
      const names = (name: string) => spans.filter((span) => span.name === name).length;
      expect(names('INSERT tea')).toBe(200);
      expect(names('SELECT tea')).toBe(400);
      expect(spans.filter(({ name }) => /^CREATE/.test(name)).length).toBe(4);
    });
  });

  test('every site is emulated, two hits a statement, and nothing is lost', async () => {
    ({ report } = await agent.stop());
    const probes = report.probes.filter((probe) => probe.definition === definition);
    expect(probes.length).toBe(5 * releases.length);
    expect(probes.every((probe) => ['push', 'jcc', 'call'].includes(probe.class))).toBe(true);
    expect(report.lost.filter(({ count }) => count > 0)).toEqual([]);
  });
});
