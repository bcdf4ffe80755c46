/** How bpf/node follows the responses that a client reads, cut anywhere, and what it does with what is none. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeClientField as Field, SpanFlag } from '../../src/probes/layout.gen.ts';
import { type Random, randomFrom } from '../fuzz/random.ts';
import { type Happened, openReplayer, type Replayer, type ReplayOptions } from './replay.ts';

const request = (path: string, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: shop.test\r\n\r\n`;
const asked = (...wrote: string[]): Happened => ({ wrote });
const chunks = (...data: string[]) =>
  [...data, ''].map((each) => `${each.length.toString(16)}\r\n${each}\r\n`).join('');

/** A request's path, and the status of its response, or `aborted`. */
type Outcome = readonly [path: string, end: number | 'aborted'];

describe.skipIf(process.arch !== 'x64')("the stream of a client's connection", () => {
  let replayer: Replayer;
  beforeAll(() => {
    replayer = openReplayer();
  });
  afterAll(() => replayer.close());

  function outcomes(happened: readonly Happened[], options?: ReplayOptions) {
    const { spans, counters, entries } = replayer.replay(['connected', ...happened, 'closed'], options);
    const ended = spans.map(({ fields, flags }): Outcome => {
      const status = Buffer.from(fields[Field.STATUS] ?? '\0\0\0\0', 'latin1').readUInt32LE();
      return [/ (\S+) /.exec(fields[Field.HEAD]!)![1]!, flags & SpanFlag.ABORTED ? 'aborted' : status];
    });
    return { outcomes: ended, counters, entries };
  }

  /** A response, and whether the request was for a HEAD. */
  const responses: Readonly<Record<string, readonly [string, number, 'HEAD'?]>> = {
    length: ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 200],
    'a longer length': ['HTTP/1.1 203 OK\r\nX: 1\r\ncontent-LENGTH:10\r\n\r\n0123456789', 203],
    'no length': ['HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', 404],
    '1,500 bytes of head': [`HTTP/1.1 201 OK\r\nSet-Cookie: ${'y'.repeat(1500)}\r\nContent-Length: 3\r\n\r\nabc`, 201],
    chunks: [`HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks('abc', 'x'.repeat(300))}`, 206],
    'chunks that look like the end': [
      `HTTP/1.1 202 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks('0\r\n\r\n', 'HTTP/1.1 500 \r\n\r\n')}`,
      202,
    ],
    'trailers and extensions': [
      'HTTP/1.1 207 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a="b"\r\nabc\r\n000\r\nDigest: 0\r\n\r\n',
      207,
    ],
    'no content': ['HTTP/1.1 204 No Content\r\n\r\n', 204],
    'not modified': ['HTTP/1.1 304 Not Modified\r\nContent-Length: 30\r\n\r\n', 304],
    'to a HEAD': ['HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n', 200, 'HEAD'],
    'after informational ones': [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 X\r\nContent-Length: 1\r\n\r\n!',
      503,
    ],
    'lines that end with a newline alone': ['HTTP/1.0 500 X\nContent-Length: 2\n\nab', 500],
  };
  const kinds = Object.keys(responses);

  test.each(kinds)('any cut of a response gives the same span: %s', (kind) => {
    const [response, status, method] = responses[kind]!;
    const next = 'HTTP/1.1 418 \r\nContent-Length: 0\r\n\r\n';
    const happened = [asked(request('/a', method)), { read: response }, asked(request('/b')), { read: next }];
    expect(outcomes(happened, { cuts: 1000 })).toEqual({
      outcomes: [
        ['/a', status],
        ['/b', 418],
      ],
      counters: {},
      entries: 0,
    });
  });

  function conversation(random: Random): { happened: Happened[]; outcomes: Outcome[] } {
    const happened: Happened[] = [];
    const ended: Outcome[] = [];
    for (let round = 1 + random.below(5); round > 0; round--) {
      let answers = '';
      for (let n = 1 + random.below(random.pick([1, 30])); n > 0; n--) {
        const [response, status, method] = responses[random.pick(kinds)]!;
        const path = `/${ended.length}`;
        happened.push(asked(request(path, method)));
        ended.push([path, status]);
        answers += response;
      }
      happened.push({ read: answers });
    }
    return { happened, outcomes: ended };
  }

  test('any cut of 300 random conversations, also pipelined, gives the requests that were made', () => {
    const random = randomFrom(2026);
    for (let i = 0; i < 300; i++) {
      const { happened, outcomes: made } = conversation(random);
      expect(outcomes(happened, { cuts: 20, seed: i })).toEqual({ outcomes: made, counters: {}, entries: 0 });
    }
  });

  test('2,000 pipelined requests: those with room have their own ends', () => {
    const paths = Array.from({ length: 2000 }, (_, i) => `/${i}`);
    const response = (i: number) => `HTTP/1.1 ${200 + (i % 2)} \r\nContent-Length: 0\r\n\r\n`;
    const answers = { read: paths.map((_, i) => response(i)).join('') };
    const after = [asked(request('/last')), { read: response(0) }];
    const { outcomes: ended, counters } = outcomes([...paths.map((path) => asked(request(path))), answers, ...after]);
    expect(ended).toEqual([...paths.slice(0, 1024).map((path, i): Outcome => [path, 200 + (i % 2)]), ['/last', 200]]);
    expect(counters).toEqual({ LOST_IN_FLIGHT_FULL: 2000 - 1024 });
  });

  test.each([
    ['no response', 'SSH-2.0-OpenSSH'],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsize\r\n'],
    ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n'],
  ])('%s: the connection is given up, and counted', (_what, read) => {
    const happened = [asked(request('/a')), asked(request('/b')), { read }];
    expect(outcomes(happened, { cuts: 100 })).toEqual({
      outcomes: [],
      counters: { LOST_DESYNCHRONISED: 2, NODE_REQUESTS: 2 },
      entries: 0,
    });
  });

  test('plain HTTP behind a CONNECT on the same connection', () => {
    const tunnel = [asked(request('shop.test:80', 'CONNECT')), { read: 'HTTP/1.1 200 Connected\r\n\r\n' }];
    const behind = [asked(request('/a')), { read: 'HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n' }];
    expect(outcomes([...tunnel, ...behind], { cuts: 100 }).outcomes).toEqual([
      ['shop.test:80', 200],
      ['/a', 404],
    ]);
  });

  test('every method of the registry is a request, what only begins like one is none', () => {
    const methods = [
      'ACL',
      'BASELINE-CONTROL',
      'BIND',
      'CHECKIN',
      'CHECKOUT',
      'COPY',
      'DELETE',
      'GET',
      'LABEL',
      'LINK',
      'LOCK',
    ];
    methods.push(
      'MERGE',
      'MKACTIVITY',
      'MKCALENDAR',
      'MKCOL',
      'MKREDIRECTREF',
      'MKWORKSPACE',
      'MOVE',
      'OPTIONS',
      'ORDERPATCH',
    );
    methods.push(
      'PATCH',
      'POST',
      'PROPFIND',
      'PROPPATCH',
      'PUT',
      'QUERY',
      'REBIND',
      'REPORT',
      'SEARCH',
      'TRACE',
      'UNBIND',
    );
    methods.push('UNCHECKOUT', 'UNLINK', 'UNLOCK', 'UPDATE', 'UPDATEREDIRECTREF', 'VERSION-CONTROL');
    const happened = methods.flatMap((method) => [
      asked(request(`/${method}`, method)),
      { read: responses.length![0] },
    ]);
    expect(outcomes(happened).outcomes).toEqual(methods.map((method): Outcome => [`/${method}`, 200]));
    expect(outcomes([asked('COPY items FROM STDIN\r\n'), { read: 'what' }])).toEqual({
      outcomes: [],
      counters: {},
      entries: 0,
    });
  });

  test('HTTP/2 is counted, of clients and of servers', () => {
    const settings = '\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64';
    for (const first of ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', settings, '\0\0\0\x04\0\0\0\0\0'])
      expect(outcomes([asked(first), asked(settings)]).counters).toEqual({ SKIPPED_HTTP2: 1 });
  });

  test("a server's own replies are counted, others that begin so are not", () => {
    const reply = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';
    expect(outcomes([asked(reply)]).counters).toEqual({ SERVER_REPLIED: 1 });
    expect(outcomes([asked(`${reply}and a body`)]).counters).toEqual({});
    expect(outcomes([asked('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')]).counters).toEqual({});
  });

  test('a body that lasts as long as the connection, and one that it cuts off', () => {
    const open = 'HTTP/1.1 200 OK\r\n\r\nsome bytes HTTP/1.1 500 \r\n\r\n';
    expect(outcomes([asked(request('/a')), { read: open }], { cuts: 100 }).outcomes).toEqual([['/a', 200]]);
    const short = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome bytes';
    expect(outcomes([asked(request('/a')), { read: short }], { cuts: 100 }).outcomes).toEqual([['/a', 'aborted']]);
  });
});
