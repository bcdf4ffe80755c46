import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningAgent } from '../support/agent.ts';
import { concurrently, encodeRequest, get, RawConnection, requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { NodeFixture } from '../support/node-fixture.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;

const brief = ({ attributes, status }: DecodedSpan) => [
  attributes['url.path'],
  attributes['http.response.status_code'],
  attributes['error.type'],
  status.code,
];
const ok = (path: string, status = 200) => [path, status, undefined, 0];
const aborted = (path: string, status?: number) => [path, status, 'aborted', 2];

describeKernel('every way in which a request to a Node.js server can go', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let server: NodeFixture;
  let agent: RunningAgent;
  let seen = 0;

  beforeAll(async () => {
    world = await openNodeWorld();
    server = await world.fixture(await world.binary(), 'node-http', { tls: true, args: ['--workers=2'] });
    agent = await world.agent({ pids: [server.pid] });
  }, 900_000);
  afterAll(() => world.close());

  async function next(count: number): Promise<DecodedSpan[]> {
    seen += count;
    return (await spansOf(world.receiver, server.pid, seen)).slice(-count);
  }

  test('pipelined: as many answers as requests, each to its own', async () => {
    const count = 200;
    const connection = await RawConnection.open(server.port);
    const requests = Array.from({ length: count }, (_, i) =>
      encodeRequest({
        target: i % 4 === 0 ? `/sleep?ms=${i % 7}` : `/status/${200 + (i % 300)}`,
        headers: { 'User-Agent': `n${i}` },
      }),
    );
    connection.send(Buffer.concat(requests));
    const answers: number[] = [];
    for (let i = 0; i < count; i++) answers.push((await connection.receive()).status);
    connection.abort();
    const spans = await next(count);
    const byAgent = new Map(spans.map((span) => [span.attributes['user_agent.original'], span]));
    expect(byAgent.size).toBe(count);
    answers.forEach((status, i) => {
      expect(byAgent.get(`n${i}`)?.attributes['http.response.status_code'], `n${i}`).toBe(status);
    });
  });

  test('pipelined, and the client gone before all are answered', async () => {
    const connection = await RawConnection.open(server.port);
    const paths = ['/hello', '/gate', '/hello', '/hello'];
    connection.send(Buffer.concat(paths.map((target) => encodeRequest({ target }))));
    await connection.receive();
    await server.until(({ gated }) => gated === 1);
    connection.abort();
    const spans = await next(4);
    expect(spans.map(brief)).toEqual([ok('/hello'), aborted('/gate'), aborted('/hello'), aborted('/hello')]);
  });

  test('a head in pieces: nothing of it is lost', async () => {
    const connection = await RawConnection.open(server.port);
    const head = encodeRequest({
      target: '/hello?in=pieces',
      headers: { Host: 'in-pieces.example', traceparent, 'User-Agent': 'slow' },
    }).toString();
    for (const piece of head.match(/[\s\S]{1,20}/g)!) {
      connection.send(piece);
      await sleep(2);
    }
    await connection.receive();
    await connection.close();
    const [span] = await next(1);
    expect(span).toMatchObject({ traceId, parentSpanId: parentId });
    expect(span!.attributes).toMatchObject({
      'url.path': '/hello',
      'url.query': 'in=pieces',
      'server.address': 'in-pieces.example',
      'user_agent.original': 'slow',
    });
  });

  test('header names of every case, and what is malformed', async () => {
    const traced = async (headers: Readonly<Record<string, string>>) => {
      await requestOnce(server.port, { target: '/hello', headers });
      return (await next(1))[0]!;
    };
    for (const name of ['TRACEPARENT', 'Traceparent', 'traceParent']) {
      expect(await traced({ [name]: traceparent })).toMatchObject({ traceId, parentSpanId: parentId });
    }
    for (const bad of ['00-0-0-0', traceparent.toUpperCase(), `${traceparent}-x`, 'x'.repeat(55)]) {
      expect((await traced({ traceparent: bad })).parentSpanId).toBeUndefined();
    }
    const two = await traced({ traceparent, Traceparent: traceparent });
    expect(two.parentSpanId).toBeUndefined();
  });

  test('many headers: the span is there, what the parser gave away is not', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`X-Header-${i}`, `${i}`]));
    await requestOnce(server.port, { target: '/hello', headers: { ...many(28), traceparent } });
    await requestOnce(server.port, { target: '/status/404', headers: many(60) });
    const [most, tooMany] = await next(2);
    expect(most).toMatchObject({ traceId });
    expect(brief(most!)).toEqual(ok('/hello'));
    expect(tooMany!.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.response.status_code': 404,
      'uspan.unreadable': 'url',
    });
  });

  test('texts are cut where they are told to be', async () => {
    await requestOnce(server.port, {
      target: `/hello/${'p'.repeat(2000)}?q`,
      headers: { 'User-Agent': 'u'.repeat(300), Host: 'h'.repeat(256) },
    });
    const [span] = await next(1);
    expect(span!.attributes).toMatchObject({
      'url.path': `/hello/${'p'.repeat(1024 - 7)}`,
      'user_agent.original': 'u'.repeat(256),
      'server.address': 'h'.repeat(256),
      'uspan.truncated': 'url,user_agent.original',
    });
  });

  test('informational responses, chunks, lengths, no bodies', async () => {
    const connection = await RawConnection.open(server.port);
    const targets = ['/chunks?n=20', '/parts', '/none', '/unchanged', '/large?mb=1', '/chunks?n=0', '/hello'];
    for (const target of targets) await connection.request({ target });
    await connection.request({ method: 'HEAD', target: '/parts' });
    await connection.request({ method: 'HEAD', target: '/chunks' });
    await connection.request({ method: 'POST', target: '/echo', body: 'x', headers: { Expect: '100-continue' } });
    await connection.request({ method: 'POST', target: '/echo', body: '0\r\n\r\nHTTP/1.1 500 No\r\n\r\n' });
    await connection.request({ target: '/hints' });
    await connection.close();
    const spans = await next(12);
    expect(spans.map(brief)).toEqual([
      ...['/chunks', '/parts'].map((path) => ok(path)),
      ok('/none', 204),
      ok('/unchanged', 304),
      ...['/large', '/chunks', '/hello', '/parts', '/chunks', '/echo', '/echo'].map((path) => ok(path)),
      ok('/hints', 404),
    ]);
    const [chunks] = spans;
    expect(Number(chunks!.endUnixNs - chunks!.startUnixNs)).toBeGreaterThan(19_000_000);
  });

  test('HTTP/1.0, a body that lasts as long as the connection', async () => {
    await requestOnce(server.port, { target: '/chunks?n=3', version: 'HTTP/1.0' });
    const [span] = await next(1);
    expect(brief(span!)).toEqual(ok('/chunks'));
    expect(span!.attributes['network.protocol.version']).toBe('1.0');
  });

  test('clients that go, and servers that hang up', async () => {
    const gone = await RawConnection.open(server.port);
    gone.send(encodeRequest({ target: '/gate' }));
    await server.until(({ gated }) => gated === 1);
    gone.abort();
    const half = await RawConnection.open(server.port);
    half.send(encodeRequest({ target: '/big?mb=64' }));
    await half.receiveBytes(100_000);
    half.abort();
    await expect(get(server.port, '/cut')).rejects.toThrow('closed');
    await expect(get(server.port, '/abort')).rejects.toThrow('closed');
    const overTls = await RawConnection.open(server.ports.get('https')!, { tls: true });
    overTls.send(encodeRequest({ target: '/gate' }));
    await server.until(({ gated }) => gated === 1);
    overTls.abort();
    const spans = await next(5);
    expect(spans.map(brief)).toEqual([
      aborted('/gate'),
      aborted('/big', 200),
      aborted('/cut', 200),
      aborted('/abort'),
      aborted('/gate'),
    ]);
    expect(spans.map(({ attributes }) => attributes['url.scheme'])).toEqual(['http', 'http', 'http', 'http', 'https']);
  });

  test('a reader slower than the writer', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(encodeRequest({ target: '/big?mb=4', headers: { Connection: 'close' } }));
    let bytes = 0;
    for await (const chunk of socket) {
      bytes += (chunk as Buffer).length;
      if (bytes < 2_000_000) await sleep(1);
    }
    expect(bytes).toBeGreaterThan(4 << 20);
    expect((await next(1)).map(brief)).toEqual([ok('/big')]);
  });

  test('many connections at once, with TLS and in worker threads', async () => {
    const ports = ['http', 'https', 'worker0', 'worker1'].map((name) => [name, server.ports.get(name)!] as const);
    await concurrently(40, async (i) => {
      const [name, port] = ports[i % ports.length]!;
      const connection = await RawConnection.open(port, { tls: name === 'https' });
      for (let n = 0; n < 25; n++) await connection.request({ target: `/items/${name}-${i}-${n}` });
      await connection.close();
    });
    const spans = await next(1000);
    expect(new Set(spans.map(({ attributes }) => attributes['url.path'])).size).toBe(1000);
    expect(spans.filter(({ attributes }) => attributes['url.scheme'] === 'https')).toHaveLength(250);
  });

  test('what was begun is a span, or counted', async () => {
    const { report } = await agent.stop();
    expect(report.counters.node_requests).toBe(seen);
    expect(report.spans.server).toBe(seen);
    expect(report.lost).toEqual([]);
    expect(report.counters.bad_traceparent).toBe(5);
  });
});
