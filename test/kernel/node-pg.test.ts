import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomFrom } from '../fuzz/random.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { allNodeReleases, type NodeFixture, type NodeRelease } from '../support/node-fixture.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';
const comment = (flags = '01') => `/*traceparent='00-${traceId}-${parentSpanId}-${flags}'*/`;

const brief = ({ name, attributes, status }: DecodedSpan) => [
  name,
  attributes['db.query.text'],
  attributes['db.response.status_code'],
  status.code,
];

describeKernel('pg, every release of Node.js', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let postgres: PostgresServer;
  const programs = new Map<NodeRelease, NodeFixture>();
  const seen = new Map<NodeRelease, number>();

  beforeAll(async () => {
    execFileSync('make', [
      '-C',
      join(import.meta.dirname, '../../examples/node-app'),
      'node_modules/.package-lock.json',
    ]);
    world = await openNodeWorld();
    postgres = await startPostgres();
    await postgres.psql('CREATE TABLE items (id int PRIMARY KEY, label text)', 'CREATE DATABASE other');
    for (const release of allNodeReleases) {
      const env = { ...postgres.env, PGDATABASE: 'other' };
      programs.set(release, await world.fixture(await world.binary(release), 'node-pg', { env }));
    }
    await world.agent({ pids: [...programs.values()].map(({ pid }) => pid) });
  }, 900_000);
  afterAll(async () => {
    await world.close();
    await postgres.stop();
  });

  async function ran(
    release: NodeRelease,
    how: 'run' | 'pool',
    statements: readonly Statement[],
    spans = statements.length,
  ): Promise<{ outcomes: unknown[]; spans: DecodedSpan[] }> {
    const program = programs.get(release)!;
    const answer = (await program.control(`${how} ${JSON.stringify(statements)}`)) as { outcomes: unknown[] };
    const before = seen.get(release) ?? 0;
    seen.set(release, before + spans);
    return { ...answer, spans: (await spansOf(world.receiver, program.pid, before + spans)).slice(before) };
  }

  test.each(allNodeReleases)('Node.js %s: a connection that was there before', async (release) => {
    // The bytes of the first statement show the protocol.
    const { spans } = await ran(release, 'run', [{ text: 'SELECT 1' }, { text: 'SELECT 2 AS second' }]);
    expect(spans.map(brief)).toEqual([
      ['SELECT', 'SELECT ?', undefined, 0],
      ['SELECT', 'SELECT ? AS second', undefined, 0],
    ]);
    expect(spans[0]!.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.query.text': 'SELECT ?',
      'db.query.summary': 'SELECT',
      'db.operation.name': 'SELECT',
    });
  });

  test.each(allNodeReleases)('Node.js %s: simple, extended, prepared, failing', async (release) => {
    await programs.get(release)!.control('reconnect');
    const insert = { name: 'add', text: 'INSERT INTO items VALUES ($1, $2) ON CONFLICT DO NOTHING' };
    const { outcomes, spans } = await ran(release, 'run', [
      { text: 'CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY, label text)' },
      { ...insert, values: [1, 'secret'] },
      { ...insert, values: [2, 'secret'] },
      { text: "SELECT * FROM items WHERE label = 'secret' AND id > 0" },
      { text: 'SELECT label FROM items WHERE id = $1', values: [1] },
      { text: 'SELECT broken FROM items' },
      { text: 'SELECT 1 / $1::int', values: [0] },
      { text: 'SELEC 1' },
      { text: `SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) n` },
      { text: `SELECT repeat('y', 1000000)` },
      { text: `SELECT '${'z'.repeat(5000)}'` },
    ]);
    expect(outcomes).toEqual([0, 0, 0, expect.any(Number), 1, '42703', '22012', '42601', 5000, 1, 1]);
    expect(spans.map(brief)).toEqual([
      ['CREATE TABLE items', 'CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY, label text)', undefined, 0],
      ['INSERT items', insert.text, undefined, 0],
      ['INSERT items', insert.text, undefined, 0],
      ['SELECT items', 'SELECT * FROM items WHERE label = ? AND id > ?', undefined, 0],
      ['SELECT items', 'SELECT label FROM items WHERE id = $1', undefined, 0],
      ['SELECT items', 'SELECT broken FROM items', '42703', 2],
      ['SELECT', 'SELECT ? / $1::int', '22012', 2],
      ['postgresql', 'SELEC ?', '42601', 2],
      ['SELECT', 'SELECT n, repeat(?, ?) FROM generate_series(?, ?) n', undefined, 0],
      ['SELECT', 'SELECT repeat(?, ?)', undefined, 0],
      ['SELECT', 'SELECT ?', undefined, 0],
    ]);
    for (const { attributes, parentSpanId } of spans) {
      expect(attributes).toMatchObject({
        'db.system.name': 'postgresql',
        'db.namespace': 'other',
        'server.address': '127.0.0.1',
        'server.port': postgres.port,
      });
      expect(parentSpanId).toBeUndefined();
    }
    expect(spans.at(-1)!.attributes['uspan.truncated']).toBe('db.query.text');
  });

  test.each(allNodeReleases)('Node.js %s: the parent is whom the statement itself names', async (release) => {
    await programs.get(release)!.control('reconnect');
    const named = { name: 'named', text: `SELECT $1::int ${comment()}` };
    const { spans } = await ran(release, 'run', [
      { text: `SELECT 1 ${comment()}` },
      { text: `${comment()} SELECT 1` },
      { text: `SELECT '${'x'.repeat(1500)}' /*a='b',${comment().slice(2, -2)},c='d'*/` },
      { text: `SELECT $1::int ${comment()}`, values: [1] },
      { text: `SELECT 1 ${comment()};` },
      { text: `SELECT 1 ${comment()} ; ` },
      { text: `SELECT 1 ${comment()} /* shop */` },
      { text: `SELECT 1 /*tracestate='a=1',${comment().slice(2)}` },
      { ...named, values: [1] },
      // A prepared statement has the comment of the request that prepared it.
      { ...named, values: [2] },
      { text: `SELECT 1 ${comment().replace('00-', 'ff-')}` },
      { text: `SELECT 1 ${comment('1')}` },
      { text: `SELECT $$ ${comment()} $$` },
      // It is cut in front of the comment.
      { text: `SELECT '${'x'.repeat(2100)}' ${comment()}` },
      { text: 'SELECT 1' },
    ]);
    expect(spans.map((span) => [span.traceId === traceId, span.parentSpanId])).toEqual([
      ...Array.from({ length: 9 }, () => [true, parentSpanId]),
      ...Array.from({ length: 6 }, () => [false, undefined]),
    ]);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  });

  test('the parent decides, else the sampler', async () => {
    const program = await world.fixture(await world.binary('24'), 'node-pg', { env: postgres.env });
    const agent = await world.agent({ pids: [program.pid], env: { OTEL_TRACES_SAMPLER: 'parentbased_always_off' } });
    await program.control('reconnect');
    const named = { name: 'named', text: `SELECT $1::int AS named ${comment()}` };
    const statements: readonly Statement[] = [
      { text: `SELECT 1 AS no ${comment('00')}` },
      { text: 'SELECT 1 AS no' },
      { text: `SELECT 1 AS no ${comment('x1')}` },
      { ...named, values: [1] },
      { ...named, values: [2] },
      { text: `SELECT 1 AS yes ${comment()}` },
    ];
    await program.control(`run ${JSON.stringify(statements)}`);
    const spans = await spansOf(world.receiver, program.pid, 2);
    const { report } = await agent.stop();
    expect(spans.map(({ attributes }) => /named|yes|no/.exec(String(attributes['db.query.text']))?.[0])).toEqual([
      'named',
      'yes',
    ]);
    expect(report.counters).toMatchObject({ spans: 2, sampled_out: 4, bad_traceparent: 1 });
    expect(report.lost).toEqual([]);
  });

  test('a pool: each statement its own answer', async () => {
    const statements = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0
        ? { text: `SELECT ${i} /* ${i} */` }
        : { name: `q${i % 5}`, text: `SELECT $1::int + ${i % 5}`, values: [i] },
    );
    const { outcomes, spans } = await ran('24', 'pool', statements);
    expect(outcomes).toEqual(statements.map(() => 1));
    expect(spans.every(({ attributes }) => attributes['db.query.text'] !== undefined)).toBe(true);
  });

  /** Passes on what the server sends in pieces of at most `pieceBytes` bytes, each in a turn of its own. */
  async function cuttingProxy(pieceBytes: () => number): Promise<{ port: number; close(): void }> {
    const proxy = createTcpServer((client) => {
      const server = connect(postgres.port, postgres.host);
      client.setNoDelay(true).on('error', () => server.destroy());
      server.on('error', () => client.destroy());
      client.pipe(server);
      server.on('end', () => client.end());
      let sent = Promise.resolve();
      server.on('data', (bytes) => {
        for (let at = 0; at < bytes.length; ) {
          const piece = bytes.subarray(at, at + pieceBytes());
          at += piece.length;
          sent = sent.then(async () => {
            await new Promise((resolve) => client.write(piece, resolve));
            await new Promise((resolve) => setImmediate(resolve));
          });
        }
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => proxy.once('listening', resolve));
    return { port: (proxy.address() as AddressInfo).port, close: () => proxy.close() };
  }

  test('results that come in pieces: each statement its own answer, also an error behind many rows', async () => {
    const random = randomFrom(7);
    const proxy = await cuttingProxy(() => 1 + random.below(random.pick([4, 40, 400])));
    const program = await world.fixture(await world.binary('24'), 'node-pg', {
      env: { ...postgres.env, PGPORT: String(proxy.port) },
    });
    const agent = await world.agent({ pids: [program.pid] });
    await program.control('reconnect');
    const statements = Array.from({ length: 60 }, (_, i): Statement => {
      const text = [
        `SELECT g AS rows_${i} FROM generate_series(1, ${5 * i}) g`,
        `SELECT 1 / (200 - g) AS late_${i} FROM generate_series(1, 300) g`,
        `SELECT 1 / $1::int AS prepared_${i}`,
      ][i % 3]!;
      return i % 3 === 2 ? { text, values: [i % 2] } : { text };
    });
    const { outcomes } = (await program.control(`run ${JSON.stringify(statements)}`)) as { outcomes: unknown[] };
    const spans = await spansOf(world.receiver, program.pid, statements.length);
    expect(spans.map(({ attributes }) => attributes['db.response.status_code'])).toEqual(
      outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : undefined)),
    );
    expect(spans.map(({ attributes }) => /\w+_\d+/.exec(String(attributes['db.query.text']))![0])).toEqual(
      statements.map(({ text }) => /\w+_\d+(?= FROM|$)/.exec(text)![0]),
    );
    expect((await agent.stop()).report.lost).toEqual([]);
    proxy.close();
  });

  test('over TLS', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'uspan-pg-tls-'));
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const name = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=db',
    ];
    execFileSync('openssl', ['req', '-x509', ...name, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    await Promise.all([chmod(directory, 0o755), chmod(key, 0o640)]);
    // The server accepts a key that belongs to root and that its own group may read.
    await chown(key, 0, Number(execFileSync('id', ['-g', 'postgres'])));
    const secure = await startPostgres({ ssl: 'on', ssl_key_file: key, ssl_cert_file: cert });
    try {
      const program = await world.fixture(await world.binary('24'), 'node-pg', {
        env: { ...secure.env, PGSSLMODE: 'require' },
      });
      const agent = await world.agent({ pids: [program.pid] });
      await program.control('reconnect');
      await program.control(
        `run ${JSON.stringify([{ text: 'SELECT $1::int', values: [1] }, { text: 'SELECT 1 / 0' }])}`,
      );
      const spans = await spansOf(world.receiver, program.pid, 2);
      expect(spans.map(brief)).toEqual([
        ['SELECT', 'SELECT $1::int', undefined, 0],
        ['SELECT', 'SELECT ? / ?', '22012', 2],
      ]);
      expect(spans[0]!.attributes).toMatchObject({ 'db.namespace': 'postgres', 'server.port': secure.port });
      await agent.stop();
    } finally {
      await secure.stop();
      await rm(directory, { recursive: true });
    }
  });

  test('a session that the server ends', async () => {
    const { outcomes, spans } = await ran('24', 'run', [{ text: 'SELECT pg_terminate_backend(pg_backend_pid())' }]);
    expect(outcomes).toEqual(['57P01']);
    expect(spans.map(brief)).toEqual([['SELECT', 'SELECT pg_terminate_backend(pg_backend_pid())', '57P01', 2]]);
  });
});
