import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningAgent } from '../support/agent.ts';
import type { GoFixture } from '../support/go-fixture.ts';
import { encodeRequest, get, RawConnection, type RawRequest, requestOnce } from '../support/http.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('every way in which a request can look', () => {
  let watch: KernelWatch;
  let world: World;
  let server: GoFixture;
  let agent: RunningAgent;
  let seen = 0;

  beforeAll(async () => {
    watch = watchKernel();
    world = await openWorld('http/protobuf');
    // Without a ServeMux, which would clean paths and answer by redirects.
    server = await world.server(await world.binary('1.27'), { handler: 'func', h2: true });
    agent = await world.agent({ pids: [server.pid], extra: ['--max-path-bytes=2048'] });
  });
  afterAll(async () => {
    await world.close();
    await watch.assertNothingLeft();
  });

  const next = async (count: number): Promise<DecodedSpan[]> => {
    seen += count;
    return (await spansOf(world.receiver, server.pid, seen)).slice(-count);
  };
  /** Sends one request on a connection of its own. Gives its span's attributes. */
  const traced = async (request: RawRequest): Promise<DecodedSpan['attributes']> => {
    await requestOnce(server.port, request);
    return (await next(1))[0]!.attributes;
  };

  test('unusual methods', async () => {
    const methods = ['BREW', 'get', 'PROPFIND', 'M'.repeat(64), 'M'.repeat(65)];
    for (const method of methods) await requestOnce(server.port, { method, target: '/hello' });
    const spans = await next(methods.length);
    for (const span of spans) {
      expect(span.name).toBe('HTTP');
      expect(span.attributes['http.request.method']).toBe('_OTHER');
    }
    const originals = spans.map((span) => span.attributes['http.request.method_original']);
    expect(originals).toEqual([...methods.slice(0, 4), 'M'.repeat(64)]);
    expect(spans.map((span) => span.attributes['uspan.truncated'])).toEqual([
      ...Array.from({ length: 4 }, () => undefined),
      'http.request.method',
    ]);
  });

  test('known methods', async () => {
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'QUERY'];
    for (const method of methods) await requestOnce(server.port, { method, target: '/hello' });
    const spans = await next(methods.length);
    expect(spans.map(({ name }) => name)).toEqual(methods);
    for (const span of spans) expect(span.attributes['http.request.method_original']).toBeUndefined();
  });

  test('request targets of every form', async () => {
    expect(await traced({ target: 'http://other.example:81/items/1?a=b' })).toMatchObject({
      'url.path': '/items/1',
      'url.query': 'a=b',
      'server.address': 'other.example',
      'server.port': 81,
    });
    expect(await traced({ method: 'OPTIONS', target: '*' })).toMatchObject({ 'url.path': '*' });
    const tunnel = await traced({ method: 'CONNECT', target: 'db.example:5432', headers: { Host: 'db.example:5432' } });
    expect(tunnel).toMatchObject({
      'http.request.method': 'CONNECT',
      'server.address': 'db.example',
      'server.port': 5432,
    });
    expect(tunnel['url.path']).toBeUndefined();
    expect(await traced({ target: '//hello//?#' })).toMatchObject({ 'url.path': '//hello//', 'url.query': '#' });
    expect(await traced({ target: '/items/%00%ff/../x' })).toMatchObject({ 'url.path': '/items/%00%ff/../x' });
    expect(await traced({ target: '/hello', headers: { Host: '[::1]:8443' } })).toMatchObject({
      'server.address': '::1',
      'server.port': 8443,
    });
  });

  test('bytes that are no UTF-8 become replacement characters', async () => {
    const attributes = await traced({ target: '/items/\xff\xfeé?\x80', headers: { 'User-Agent': 'a\xffz' } });
    // latin1 on the wire: é is the lone byte e9.
    expect(attributes['url.path']).toBe('/items/\ufffd\ufffd\ufffd');
    expect(attributes['url.query']).toBe('\ufffd');
    expect(attributes['user_agent.original']).toBe('a\ufffdz');
    const utf8 = await traced({ target: Buffer.from('/items/ü→𝄞') });
    expect(utf8['url.path']).toBe('/items/ü→𝄞');
  });

  test('long texts are kept to their limit and marked', async () => {
    const path = (length: number) => `/items/${'p'.repeat(length - '/items/'.length)}`;
    expect((await traced({ target: path(2048) }))['url.path']).toBe(path(2048));
    const cut = await traced({ target: path(60_000), headers: { 'User-Agent': 'u'.repeat(5000) } });
    expect(cut['url.path']).toBe(path(2048));
    expect(cut['user_agent.original']).toBe('u'.repeat(512));
    expect(cut['uspan.truncated']).toBe('url,user_agent.original');
    const full = await traced({ target: '/hello', headers: { 'User-Agent': 'u'.repeat(512) } });
    expect(full['user_agent.original']).toBe('u'.repeat(512));
    expect(full['uspan.truncated']).toBeUndefined();
  });

  test('every length of path around the sizes of buffers', async () => {
    const lengths = [
      1, 2, 7, 8, 9, 300, 400, 420, 430, 440, 450, 460, 470, 480, 490, 500, 511, 512, 513, 1023, 1024, 2047,
    ];
    const paths = lengths.map((length) => `/${'abcdefgh'.repeat(256).slice(0, length - 1)}`);
    const connection = await RawConnection.open(server.port);
    for (const target of paths) await connection.request({ target });
    await connection.close();
    expect((await next(paths.length)).map((span) => span.attributes['url.path'])).toEqual(paths);
  });

  test('bodies, versions and connections of every kind', async () => {
    const connection = await RawConnection.open(server.port);
    await connection.request({ method: 'POST', target: '/echo', body: 'a'.repeat(5000), chunkBytes: 100 });
    const expecting = { method: 'POST', target: '/echo', headers: { Expect: '100-continue' }, body: 'x' };
    expect((await connection.request(expecting)).informational).toEqual([100]);
    await connection.request({ method: 'HEAD', target: '/hello' });
    connection.send(Buffer.concat(['/none', '/hello', '/items/3'].map((target) => encodeRequest({ target }))));
    for (let n = 0; n < 3; n++) await connection.receive();
    await connection.request({ target: '/hello', headers: { Connection: 'close' } });
    await connection.close();
    await requestOnce(server.port, { target: '/hello', version: 'HTTP/1.0' });
    const old = await RawConnection.open(server.port);
    const keptAlive = { target: '/none', version: 'HTTP/1.0', headers: { Connection: 'keep-alive' } } as const;
    for (let n = 0; n < 2; n++) await old.request(keptAlive);
    await old.close();
    const spans = await next(10);
    expect(spans.map((span) => `${span.name} ${span.attributes['url.path']}`)).toEqual([
      'POST /echo',
      'POST /echo',
      'HEAD /hello',
      'GET /none',
      'GET /hello',
      'GET /items/3',
      'GET /hello',
      'GET /hello',
      'GET /none',
      'GET /none',
    ]);
    const versions = spans.map((span) => span.attributes['network.protocol.version']);
    expect(versions).toEqual([...Array.from({ length: 7 }, () => '1.1'), '1.0', '1.0', '1.0']);
  });

  /** Requests that net/http answered itself. */
  let replied = 0;

  test('what never reaches a handler is no span, and is counted', async () => {
    const answers = [
      [400, { target: '/hello', headers: { Host: 'a b' } }],
      [400, { target: 'no-slash' }],
      [417, { target: '/hello', headers: { Expect: 'the-impossible' } }],
      [431, { target: '/hello', headers: { 'X-Long': 'x'.repeat(1_100_000) } }],
      [501, { target: '/hello', headers: { 'Transfer-Encoding': 'magic' } }],
      [505, { target: '/hello', version: 'HTTP/3.0' as 'HTTP/1.1' }],
    ] as const;
    for (const [status, request] of answers) expect((await requestOnce(server.port, request)).status).toBe(status);
    expect((await requestOnce(server.tlsPort, { target: '/hello' })).status).toBe(400);
    replied += answers.length + 1;
    const silent = await RawConnection.open(server.port);
    silent.abort();
    await get(server.port, '/hello');
    expect((await next(1))[0]!.attributes['url.path']).toBe('/hello');
  });

  test('TLS', async () => {
    const connection = await RawConnection.open(server.tlsPort, { tls: true });
    for (let n = 0; n < 3; n++) await connection.request({ target: `/items/${n}` });
    await connection.close();
    for (const span of await next(3)) {
      expect(span.attributes).toMatchObject({ 'url.scheme': 'https', 'network.protocol.version': '1.1' });
    }
  });

  test('HTTP/2 is counted, and no span', async () => {
    const session = connect(`https://127.0.0.1:${server.tlsPort}`, { rejectUnauthorized: false });
    for (let n = 0; n < 5; n++) {
      const stream = session.request({ ':path': `/items/${n}` });
      stream.resume();
      const [headers] = await once(stream, 'response');
      expect(headers[':status']).toBe(200);
      await once(stream, 'end');
    }
    session.close();
    await once(session, 'close');
    await get(server.port, '/hello');
    expect((await next(1))[0]!.attributes['url.path']).toBe('/hello');
  });

  test('everything is accounted for', async () => {
    const { started } = await server.stats();
    const { report } = await agent.stop();
    // The HTTP/2 requests have no span. `OPTIONS *` has one, although net/http itself answers it.
    expect(started).toBe(seen + 5 - 1);
    expect(world.receiver.spanCount).toBe(seen);
    expect(report).toMatchObject({ spans: { server: seen }, exported: seen, lost: [] });
    expect(report.counters).toMatchObject({ skipped_http2: 5, spans: seen, refired: 0, bad_traceparent: 0 });
    expect(report.counters.server_replied).toBe(replied);
  });
});
