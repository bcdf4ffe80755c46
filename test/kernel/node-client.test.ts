import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { allNodeReleases, type NodeFixture, type NodeRelease } from '../support/node-fixture.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;

interface Call {
  readonly url: string;
  readonly via?: 'http' | 'fetch';
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly fresh?: boolean;
  readonly times?: number;
}

/** The attributes that show how a call went. */
const outcome = ({ attributes, status }: DecodedSpan) => [
  attributes['http.request.method'],
  attributes['url.full'],
  attributes['http.response.status_code'],
  attributes['error.type'],
  status.code,
];

/** The fixture calls itself, so each call has a span of the client and one of the server. */
describeKernel('Node.js client spans, every release', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  const programs = new Map<NodeRelease, NodeFixture>();
  const seen = new Map<NodeRelease, number>();

  beforeAll(async () => {
    world = await openNodeWorld();
    for (const release of allNodeReleases) {
      const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' };
      programs.set(release, await world.fixture(await world.binary(release), 'node-http', { tls: true, env }));
    }
    await world.agent({ pids: [...programs.values()].map(({ pid }) => pid) });
  }, 900_000);
  afterAll(() => world.close());

  /** Makes one call after another. Gives the spans of each, first the client's. */
  async function made(release: NodeRelease, calls: readonly Call[], spans: number): Promise<DecodedSpan[]> {
    const program = programs.get(release)!;
    for (const call of calls) await program.control(`call ${JSON.stringify(call)}`);
    const before = seen.get(release) ?? 0;
    seen.set(release, before + spans);
    const all = await spansOf(world.receiver, program.pid, before + spans);
    return all.slice(before).sort((a, b) => a.kind - b.kind || Number(a.startUnixNs - b.startUnixNs));
  }
  const clients = (spans: readonly DecodedSpan[]) => spans.filter(({ kind }) => kind === 3);

  test.each(allNodeReleases)('Node.js %s: http, https, fetch', async (release) => {
    const program = programs.get(release)!;
    const http = `http://127.0.0.1:${program.port}`;
    const https = `https://127.0.0.1:${program.ports.get('https')}`;
    const spans = await made(
      release,
      [
        { url: `${http}/hello?q=1&sig=secret` },
        { url: `${http}/echo`, method: 'POST', body: 'x'.repeat(100_000) },
        { url: `${http}/hello`, via: 'fetch', headers: { traceparent, tracestate: 'a=1' } },
        { url: `${http}/echo`, via: 'fetch', method: 'POST', body: 'GET / HTTP/1.1\r\n\r\n' },
        { url: `${https}/hello` },
        { url: `${https}/chunks`, via: 'fetch' },
        { url: `${http}/chunks?n=5` },
        { url: `${http}/status/404`, via: 'fetch' },
        { url: `${http}/hints` },
        { url: `${http}/none` },
        { url: `${http}/parts`, via: 'fetch', fresh: true },
        { url: `${http}/hello`, method: 'HEAD' },
        { url: `${http}/large?mb=2` },
      ],
      26,
    );
    const outgoing = clients(spans);
    expect(outgoing.map(outcome)).toEqual([
      ['GET', `${http}/hello?q=1&sig=REDACTED`, 200, undefined, 0],
      ['POST', `${http}/echo`, 200, undefined, 0],
      ['GET', `${http}/hello`, 200, undefined, 0],
      ['POST', `${http}/echo`, 200, undefined, 0],
      ['GET', `${https}/hello`, 200, undefined, 0],
      ['GET', `${https}/chunks`, 200, undefined, 0],
      ['GET', `${http}/chunks?n=5`, 200, undefined, 0],
      ['GET', `${http}/status/404`, 404, '404', 2],
      ['GET', `${http}/hints`, 404, '404', 2],
      ['GET', `${http}/none`, 204, undefined, 0],
      ['GET', `${http}/parts`, 200, undefined, 0],
      ['HEAD', `${http}/hello`, 200, undefined, 0],
      ['GET', `${http}/large?mb=2`, 200, undefined, 0],
    ]);
    for (const span of outgoing) {
      expect(span.attributes).toMatchObject({
        'server.address': '127.0.0.1',
        'network.peer.address': '127.0.0.1',
        'network.protocol.version': '1.1',
      });
      expect(span.attributes['server.port']).toBe(span.attributes['network.peer.port']);
    }
    // A traceparent that the program sends says which trace the client's and the server's spans belong to.
    const passedOn = spans.filter((span) => span.traceId === traceId);
    expect(passedOn.map(({ kind, parentSpanId, traceState }) => [kind, parentSpanId, traceState])).toEqual([
      [2, parentId, 'a=1'],
      [3, parentId, 'a=1'],
    ]);
    // There is no other known parent.
    for (const span of spans) if (span.traceId !== traceId) expect(span.parentSpanId).toBeUndefined();
    // A call ends when all of its answer is there.
    const [chunks] = outgoing.filter((span) => span.attributes['url.full'] === `${http}/chunks?n=5`);
    expect(Number(chunks!.endUnixNs - chunks!.startUnixNs)).toBeGreaterThan(4_000_000);
  });

  test.each(allNodeReleases)('Node.js %s: calls that fail', async (release) => {
    const program = programs.get(release)!;
    const http = `http://127.0.0.1:${program.port}`;
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const spans = await made(
      release,
      [
        { url: `${http}/abort`, fresh: true },
        { url: `${http}/cut`, fresh: true },
        { url: `${http}/sleep?ms=300`, timeoutMs: 100 },
        { url: `http://127.0.0.1:${port}/` },
      ],
      // Nothing is written to a port that refuses.
      6,
    );
    expect(clients(spans).map(outcome)).toEqual([
      ['GET', `${http}/abort`, undefined, 'connection_closed', 2],
      ['GET', `${http}/cut`, 200, 'connection_closed', 2],
      ['GET', `${http}/sleep?ms=300`, undefined, 'aborted', 2],
    ]);
  });

  test('heads and bodies that come in pieces: each request has its own response', async () => {
    const body = (number: number) => `Content-Length: 3\r\n\r\n${'abcd'.slice(number, number + 3)}`;
    const answers: readonly (readonly string[])[] = [
      ['HTTP/1.1 201 OK\r\nX-A: 1\r\n', body(0)],
      ['HTTP/1.1 202 OK\r\nX-A: 1\r\nContent-', 'Length: 3\r\n\r\nabc'],
      ['HTTP/1.1 203 OK\r\nContent-Length: 1', '0\r\n\r\n0123456789'],
      ['HTTP/1.1 404', ' Not Found\r\nContent-Length: 3\r\n\r\nabc'],
      ['HTTP/1.1 ', `503 X\r\n${body(1)}`],
      [`HTTP/1.1 206 OK\r\nX: ${'y'.repeat(1400)}`, 'y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', '0\r\n\r\n'],
      ['HTTP/1.1 209 OK\r\nContent-Length: 3\r\n\r', '\nabc'],
      [`HTTP/1.1 210 OK\r\nSet-Cookie: ${'y'.repeat(9000)}\r\n`, body(0)],
      [`HTTP/1.1 200 OK\r\n${body(0)}`],
    ];
    let next = 0;
    const server = createTcpServer((socket) => {
      socket.setNoDelay(true).on('error', () => {});
      socket.on('data', async () => {
        for (const piece of answers[next++]!) {
          await new Promise((resolve) => socket.write(piece, resolve));
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      const spans = await made(
        '24',
        answers.map((_, i) => ({ url: `${url}${i}` })),
        answers.length,
      );
      expect(spans.map(({ attributes }) => [attributes['url.full'], attributes['http.response.status_code']])).toEqual(
        [201, 202, 203, 404, 503, 206, 209, 210, 200].map((status, i) => [`${url}${i}`, status]),
      );
    } finally {
      server.close();
    }
  });

  test('a head whose Host and traceparent are behind 2,048 bytes, and rare methods', async () => {
    const program = programs.get('24')!;
    const http = `http://127.0.0.1:${program.port}`;
    const headers = { authorization: `Bearer ${'j'.repeat(2100)}`, host: `127.0.0.1:${program.port}`, traceparent };
    const spans = await made(
      '24',
      [
        { url: `${http}/hello`, headers },
        { url: `${http}/hello`, method: 'PROPFIND' },
        { url: `${http}/hello`, method: 'REPORT' },
        { url: `${http}/hello`, method: 'SEARCH' },
      ],
      8,
    );
    expect(
      clients(spans).map(({ name, attributes, traceId }) => [
        name,
        attributes['url.full'],
        attributes['server.address'],
        traceId === headers.traceparent.slice(3, 35),
      ]),
    ).toEqual([
      ['GET', `${http}/hello`, '127.0.0.1', true],
      ...['PROPFIND', 'REPORT', 'SEARCH'].map(() => ['HTTP', `${http}/hello`, '127.0.0.1', false]),
    ]);
  });

  test('a body that ends with trailers', async () => {
    const server = createServer((_, response) => {
      response.setHeader('Trailer', 'X-Sum');
      response.write('text\r\n');
      response.addTrailers({ 'X-Sum': '4' });
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      const spans = await made(
        '24',
        [
          { url, fresh: true },
          { url, via: 'fetch', fresh: true },
        ],
        2,
      );
      expect(clients(spans).map(outcome)).toEqual([
        ['GET', url, 200, undefined, 0],
        ['GET', url, 200, undefined, 0],
      ]);
    } finally {
      server.close();
    }
  });

  test('many at once over few connections', async () => {
    const program = programs.get('24')!;
    const url = `http://127.0.0.1:${program.port}/sleep?ms=5`;
    const spans = await made(
      '24',
      [
        { url, times: 200 },
        { url, via: 'fetch', times: 200 },
      ],
      800,
    );
    expect(clients(spans).map(outcome)).toEqual(Array.from({ length: 400 }, () => ['GET', url, 200, undefined, 0]));
  });
});
