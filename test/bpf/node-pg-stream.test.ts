/** How bpf/node follows PostgreSQL's protocol through reads and writes that are cut anywhere, and what it does when it cannot. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodePgField as Field, FieldMark, SpanFlag } from '../../src/probes/layout.gen.ts';
import { type Random, randomFrom } from '../fuzz/random.ts';
import { type Happened, openReplayer, type Replayer, type ReplayOptions } from './replay.ts';

const recordings = join(import.meta.dirname, 'host', 'recordings');

function number(value: number, bytes: number): string {
  return Array.from({ length: bytes }, (_, i) => String.fromCharCode((value >>> (8 * (bytes - 1 - i))) & 255)).join('');
}
const message = (type: string, body = '') => type + number(body.length + 4, 4) + body;

// What a client sends.
const startup = (() => {
  const body = `${number(196608, 4)}user\0me\0database\0shop\0\0`;
  return number(body.length + 4, 4) + body;
})();
const query = (text: string) => message('Q', `${text}\0`);
const parse = (text: string, name = '') => message('P', `${name}\0${text}\0\0\0`);
const bind = (name = '') => message('B', `\0${name}\0\0\0\0\0\0\0`);
const describePortal = message('D', 'P\0');
const execute = message('E', '\0\0\0\0\0');
const sync = message('S');

// What a server answers.
const letIn = message('R', number(0, 4)) + message('S', 'a\0b\0') + message('K', 'pid-key-') + message('Z', 'I');
const ready = message('Z', 'I');
const row = (text: string) => message('D', `\0\x01${number(text.length, 4)}${text}`);
const done = message('C', 'SELECT 1\0') + ready;
const failure = (state: string) => message('E', `SERROR\0VERROR\0C${state}\0Mno C22012 here\0\0`);
const notification = message('A', `${number(7, 4)}heard\0Z\0\0\0\x05I\0`);
const copyIn = message('G', '\0\0\0');

const connected: readonly Happened[] = ['connected', { wrote: [startup] }, { read: letIn }];
const asked = (...wrote: string[]): Happened => ({ wrote });
const read = (...messages: string[]): Happened => ({ read: messages.join('') });

/** A statement and how it ended: ok, a SQLSTATE, or `aborted`. */
type Outcome = readonly [statement: string | undefined, end: string];

describe.skipIf(process.arch !== 'x64')('the stream of a connection to PostgreSQL', () => {
  let replayer: Replayer;
  beforeAll(() => {
    replayer = openReplayer();
  });
  afterAll(() => replayer.close());

  function outcomes(
    what: Parameters<Replayer['replay']>[0],
    options?: ReplayOptions,
  ): { outcomes: Outcome[]; counters: Readonly<Record<string, number>>; entries: number } {
    const { spans, counters, entries } = replayer.replay(what, options);
    const ended = spans.map(({ fields, flags }): Outcome => {
      const end = flags & SpanFlag.ABORTED ? 'aborted' : 'ok';
      return [fields[Field.STATEMENT], fields[Field.SQLSTATE] ?? end];
    });
    return { outcomes: ended, counters, entries };
  }

  const many = "SELECT g, repeat('x', g) AS many FROM generate_series(1, 60) g";
  const failed = (name: string): Outcome => [`SELECT 1/0 AS ${name}`, '22012'];
  const named = 'SELECT $1::int / $2::int AS named';
  const expected: Readonly<Record<string, readonly Outcome[]>> = {
    simple: [
      ['SELECT 1 AS first', 'ok'],
      failed('bad'),
      [many, 'ok'],
      ['SELECT 1/(50-g) AS late_error FROM generate_series(1, 100) g', '22012'],
      [undefined, 'ok'],
      ['SELECT 1; SELECT 2 AS two; SELECT 1/0 AS third', '22012'],
      ["DO $$ BEGIN RAISE NOTICE 'noticed'; END $$", 'ok'],
      ['BEGIN', 'ok'],
      failed('in_transaction'),
      ['ROLLBACK', 'ok'],
      ['SELECT 1 AS last', 'ok'],
    ],
    extended: [
      ['SELECT $1::int AS unnamed', 'ok'],
      [named, 'ok'],
      [named, '22012'],
      [named, 'ok'],
      ['SELECT broken AS parse_error', '42703'],
      ['SELECT g, $1::text AS many FROM generate_series(1, 80) g', 'ok'],
      ['SELECT g AS paged FROM generate_series(1, 30) g WHERE g > $1', 'ok'],
      ['SELECT 1/(20-g) AS late_error FROM generate_series(1, 100) g WHERE g > $1', '22012'],
      ['SELECT $1::int AS last', 'ok'],
    ],
    pipelined: [
      ...Array.from({ length: 40 }, (_, i): Outcome => {
        if (i % 3 !== 0) return [`SELECT 10 / $1::int AS named_${i % 4}`, i % 7 === 0 ? '22012' : 'ok'];
        return i % 2 === 0 ? [`SELECT ${i} AS simple_${i}`, 'ok'] : failed(`bad_${i}`);
      }),
      failed('alone'),
      ['SELECT 1 AS last', 'ok'],
    ],
    copy: [
      ['CREATE TEMP TABLE copied (a int, b text)', 'ok'],
      ['COPY copied FROM STDIN', 'ok'],
      failed('after_copy_in'),
      ['SELECT 1 AS between', 'ok'],
      ['COPY copied TO STDOUT', 'ok'],
      failed('after_copy_out'),
      ['COPY copied FROM STDIN', '22P02'],
      failed('after_bad_copy'),
      ['SELECT 1 AS last', 'ok'],
    ],
    listen: [
      ['LISTEN heard', 'ok'],
      ...Array.from({ length: 3 }, (_, i): Outcome[] => [
        [`SELECT g AS rows_${i} FROM generate_series(1, 50) g`, 'ok'],
        failed(`bad_${i}`),
        [`SELECT 1 AS after_${i}`, 'ok'],
      ]).flat(),
      ["SELECT pg_notify('heard', 'own')", 'ok'],
      ['SELECT 1 AS last', 'ok'],
    ],
  };

  test('every recording has its expectation', () => {
    const recorded = readdirSync(recordings).filter((name) => name.startsWith('pg-'));
    expect(recorded.sort()).toEqual(
      Object.keys(expected)
        .map((name) => `pg-${name}.txt`)
        .sort(),
    );
  });

  test.each(Object.keys(expected))('any cut of a recorded stream gives the same spans: %s', (name) => {
    const recording = join(recordings, `pg-${name}.txt`);
    expect(outcomes({ recording }, { cuts: 2000 })).toEqual({ outcomes: expected[name], counters: {}, entries: 0 });
  });

  /** What is written and answered in a random conversation, which pipelines at times, and how its statements end. */
  function conversation(random: Random): { happened: Happened[]; outcomes: Outcome[] } {
    const happened: Happened[] = [...connected];
    const ended: Outcome[] = [];
    let statement = 0;
    for (let round = 1 + random.below(6); round > 0; round--) {
      const pieces: string[] = [];
      let answer = '';
      for (let n = 1 + random.below(random.pick([1, 3, 70])); n > 0; n--) {
        const text = `SELECT ${statement++}`;
        const state = random.below(3) === 0 ? `2${random.below(10)}P0${random.below(10)}` : undefined;
        const rows = Array.from({ length: random.below(random.pick([2, 60])) }, () =>
          row('Z\0\0\0\x05I'.repeat(random.below(4))),
        );
        if (random.below(6) === 0)
          rows.splice(random.below(rows.length + 1), 0, random.pick([notification, message('N', '\0')]));
        const end = state === undefined ? message('C', 'SELECT\0') : failure(state);
        const kind = random.below(4);
        if (kind === 3) {
          pieces.push(sync);
          answer += ready;
          statement--;
          continue;
        }
        if (kind === 0) pieces.push(query(text));
        else pieces.push(parse(text, random.pick(['', `name_${statement}`])), bind(), describePortal, execute, sync);
        answer += (kind === 0 ? '' : message('1') + message('2')) + rows.join('') + end + ready;
        ended.push([text, state ?? 'ok']);
        if (random.below(8) === 0) answer += notification;
      }
      happened.push({ wrote: random.below(2) ? pieces : [pieces.join('')] }, { read: answer });
    }
    happened.push('closed');
    return { happened, outcomes: ended };
  }

  test('any cut of 300 random conversations gives the statements that were made', () => {
    const random = randomFrom(2026);
    for (let i = 0; i < 300; i++) {
      const { happened, outcomes: made } = conversation(random);
      expect(outcomes(happened, { cuts: 40, seed: i })).toEqual({ outcomes: made, counters: {}, entries: 0 });
    }
  });

  test('3,000 statements in one write: those with room have their own ends', () => {
    const texts = Array.from({ length: 3000 }, (_, i) => `SELECT ${i}`);
    const answer = texts.map((_, i) => (i % 2 ? failure('22012') + ready : done)).join('');
    const made = outcomes([
      ...connected,
      asked(texts.map(query).join('')),
      read(answer),
      asked(query('last')),
      read(done),
    ]);
    const first = texts.slice(0, 1024).map((text, i): Outcome => [text, i % 2 ? '22012' : 'ok']);
    expect(made.outcomes).toEqual([...first, ['last', 'ok']]);
    expect(made.counters).toEqual({ LOST_IN_FLIGHT_FULL: 3000 - 1024 });
  });

  test('while there is room for no other connection, statements go by, and the next one has its own end', () => {
    const busy = [asked(query('a'), query('b'), query('c')), read(done, failure('22012'), ready, done)];
    const { outcomes: ended, counters } = outcomes([...connected, ...busy, asked(query('d')), read(done)], {
      budget: 2,
    });
    expect(ended).toEqual([
      ['a', 'ok'],
      ['b', '22012'],
      ['d', 'ok'],
    ]);
    expect(counters).toEqual({ LOST_IN_FLIGHT_FULL: 1 });
    const none = outcomes([...connected, ...busy], { budget: 0 });
    expect(none.outcomes).toEqual([]);
  });

  test('the text of a statement ends where its piece does', () => {
    const cut = query('SELECT 1 AS in_pieces');
    const { spans } = replayer.replay([
      ...connected,
      asked(cut.slice(0, 14), cut.slice(14)),
      read(done),
      asked(cut.slice(0, 5), cut.slice(5)),
      read(done),
    ]);
    expect(spans.map(({ fields, marks }) => [fields[Field.STATEMENT], marks[Field.STATEMENT]])).toEqual([
      ['SELECT 1 ', FieldMark.CUT],
      ['', FieldMark.UNREADABLE],
    ]);
  });

  describe('a connection that is older than the probes', () => {
    test('its first statement has a span', () => {
      const { outcomes: ended, counters } = outcomes([
        asked(query('SELECT 1')),
        read(row('x'), done),
        asked(query('SELECT 2')),
        read(done),
      ]);
      expect(ended).toEqual([
        ['SELECT 1', 'ok'],
        ['SELECT 2', 'ok'],
      ]);
      expect(counters).toEqual({});
    });

    test('by several messages in one piece', () => {
      const first = parse('SELECT $1') + bind() + execute + sync;
      expect(outcomes([asked(first), read(message('1'), message('2'), done)]).outcomes).toEqual([['SELECT $1', 'ok']]);
    });

    test('what only looks like it has no span, and is not counted', () => {
      const looks = [
        asked(query('hello')),
        { read: 'Nothing of PostgreSQL' },
        asked(query('again')),
        'closed',
      ] as const;
      expect(outcomes(looks)).toEqual({ outcomes: [], counters: { NODE_REQUESTS: 1 }, entries: 0 });
    });
  });

  describe('what contradicts the protocol stops the connection, and is counted', () => {
    const goesOn: readonly Happened[] = [
      asked(query('SELECT 8')),
      read(failure('42601'), ready),
      asked(query('SELECT 9')),
      read(done),
    ];

    test.each<[string, readonly Happened[]]>([
      ['bytes that are no message', [asked(query('SELECT 1')), { read: 'HTTP/1.1 200 OK' }, read(done)]],
      ['a message of two gigabytes', [asked(query('SELECT 1')), { read: `D${number(0x7fffffff, 4)}` }, read(done)]],
      ['a Query between Parse and Sync', [asked(parse('SELECT 1') + query('SELECT 2') + sync), read(done)]],
      [
        'a Sync that a COPY swallows',
        [
          asked(parse('COPY a FROM STDIN') + bind() + execute + sync),
          read(message('1') + message('2') + copyIn),
          asked(message('c') + sync),
          read(done),
        ],
      ],
      ['a message that is none', [asked(query('SELECT 1')), asked('\0\0\0\0\0\0'), read(done)]],
    ])('%s', (_what, happened) => {
      const { outcomes: ended, counters, entries } = outcomes([...connected, ...happened, ...goesOn, 'closed']);
      expect(ended).toEqual([
        ['SELECT 8', '42601'],
        ['SELECT 9', 'ok'],
      ]);
      expect(counters).toEqual({ LOST_DESYNCHRONISED: 1, NODE_REQUESTS: 3 });
      expect(entries).toBe(0);
    });

    test('an answer that nothing asked for shows that there is more in flight', () => {
      const surplus = [asked(query('SELECT 1')), read(done, done)];
      // Only a silence shows that nothing else is in flight.
      const later = [{ pausedMs: 2000 }, asked(query('SELECT 3')), read(failure('22012'), ready)];
      const { outcomes: ended, counters } = outcomes([...connected, ...surplus, ...goesOn, ...later]);
      expect(ended).toEqual([
        ['SELECT 1', 'ok'],
        ['SELECT 3', '22012'],
      ]);
      expect(counters).toEqual({ LOST_DESYNCHRONISED: 2, NODE_REQUESTS: 4 });
    });
  });
});
