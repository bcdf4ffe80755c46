import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import type { RunningAgent } from '../support/agent.ts';
import { allGoReleases, allGoVariants, type GoFixture, type GoRelease, type GoVariant } from '../support/go-fixture.ts';
import { encodeRequest, get, RawConnection, requestOnce } from '../support/http.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

const builds = allGoReleases.flatMap((go) => allGoVariants.map((variant) => [go, variant] as const));
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;
const headers = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`X-Header-${n}`, `${n}`]));
/** Go's mux keeps the matched pattern since 1.22. */
const routed = (go: GoRelease, route: string) => (go === '1.21' ? undefined : route);

/** One agent for all builds at once. Their spans' process.pid tells them apart. */
describeKernel('Go HTTP server spans, every Go release and build', () => {
  let watch: KernelWatch;
  let world: World;
  let agent: RunningAgent;
  let report: Report;
  const servers = new Map<string, { server: GoFixture; path: string }>();
  const serverOf = (go: GoRelease, variant: GoVariant) => servers.get(`${go} ${variant}`)!;

  beforeAll(async () => {
    watch = watchKernel();
    world = await openWorld();
    for (const [go, variant] of builds) {
      const path = await world.binary(go, variant);
      servers.set(`${go} ${variant}`, { path, server: await world.server(path) });
    }
    agent = await world.agent({ pids: [...servers.values()].map(({ server }) => server.pid) });
  }, 900_000);

  afterAll(async () => {
    await world.close();
    await watch.assertNothingLeft();
  });

  test.each(builds)('Go %s, %s', async (go, variant) => {
    const { server, path } = serverOf(go, variant);
    const { port } = server;
    const keepAlive = await RawConnection.open(port);
    const clientPort = keepAlive.localPort;
    const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101';
    await keepAlive.request({
      target: '/hello?q=1&sig=secret&x',
      headers: { Host: 'shop.example:8080', 'User-Agent': userAgent, traceparent, tracestate: 'a=1,b=2' },
    });
    await keepAlive.request({ target: '/items/42' });
    await keepAlive.request({ method: 'POST', target: '/items/7?', body: 'x' });
    await keepAlive.request({ method: 'DELETE', target: '/items/1' });
    await keepAlive.request({ target: '/status/503' });
    await keepAlive.request({ target: '/status/404' });
    await keepAlive.request({ target: '/none', headers: { ...headers(12), traceparent } });
    await keepAlive.request({ target: '/nowhere', headers: { ...headers(40), traceparent } });
    await keepAlive.request({ target: '/files/a/b.txt', headers: { ...headers(49), traceparent } });
    await keepAlive.request({ target: '/nested/hello' });
    await keepAlive.request({ target: '/wrapped/hello' });
    await keepAlive.request({ target: '/double' });
    await keepAlive.close();
    await expect(get(port, '/panic')).rejects.toThrow('closed');
    await expect(get(port, '/abort')).rejects.toThrow('closed');
    await requestOnce(port, { target: '/hello', version: 'HTTP/1.0' });
    await get(server.tlsPort, '/hello', { tls: true });

    const spans = await spansOf(world.receiver, server.pid, 16);
    const plain = { 'url.scheme': 'http', 'network.protocol.version': '1.1', 'server.address': 'localhost' };
    const peer = { 'client.address': '127.0.0.1', 'network.peer.address': '127.0.0.1' };
    const name = (method: string, route: string) => (go === '1.21' ? method : `${method} ${route}`);
    const [hello, ...more] = spans;
    const ok = { code: 0, message: '' };
    expect(hello).toMatchObject({
      name: name('GET', '/hello'),
      kind: 2,
      traceId,
      parentSpanId: parentId,
      traceState: 'a=1,b=2',
      // Sampled, and OTLP's mark of a parent that is known to be remote.
      flags: 0x301,
      status: ok,
      scope: { name: 'uspan' },
      resource: {
        'service.name': 'go-http',
        'process.pid': server.pid,
        'process.executable.path': path,
        'process.runtime.name': 'go',
        'telemetry.sdk.language': 'go',
      },
    });
    expect(String(hello!.resource['process.runtime.version'])).toMatch(new RegExp(`^(go)?${go}\\.`));
    expect(hello!.attributes).toEqual({
      'http.request.method': 'GET',
      'url.path': '/hello',
      'url.query': 'q=1&sig=REDACTED&x',
      'url.scheme': 'http',
      ...(go === '1.21' ? {} : { 'http.route': '/hello' }),
      'http.response.status_code': 200,
      'server.address': 'shop.example',
      'server.port': 8080,
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': clientPort,
      'network.protocol.version': '1.1',
      'user_agent.original': userAgent,
    });
    const summary = more.map((span) => ({
      name: span.name,
      path: span.attributes['url.path'],
      query: span.attributes['url.query'],
      route: span.attributes['http.route'],
      status: span.attributes['http.response.status_code'],
      error: span.attributes['error.type'],
      code: span.status.code,
      parent: span.parentSpanId,
    }));
    const root = { parent: undefined, query: undefined, error: undefined, code: 0 };
    const child = { ...root, parent: parentId };
    const items = routed(go, '/items/{id}');
    const status = go === '1.21' ? undefined : '/status/{code}';
    const files = go === '1.21' ? undefined : '/files/{path...}';
    const fixed = (route: string) => ({ name: name('GET', route), path: route, route: routed(go, route), status: 200 });
    expect(summary).toEqual([
      { ...root, name: name('GET', '/items/{id}'), path: '/items/42', route: items, status: 200 },
      { ...root, name: name('POST', '/items/{id}'), path: '/items/7', route: items, status: 200 },
      { ...root, name: 'DELETE', path: '/items/1', route: undefined, status: go === '1.21' ? 200 : 405 },
      {
        ...root,
        name: name('GET', '/status/{code}'),
        path: '/status/503',
        route: status,
        status: 503,
        error: '503',
        code: 2,
      },
      { ...root, name: name('GET', '/status/{code}'), path: '/status/404', route: status, status: 404 },
      { ...child, ...fixed('/none') },
      { ...child, name: 'GET', path: '/nowhere', route: undefined, status: 404 },
      { ...child, name: name('GET', '/files/{path...}'), path: '/files/a/b.txt', route: files, status: 200 },
      // The outer mux matched `/nested/`. What a copy of the request met further down is not visible from outside.
      { ...root, name: name('GET', '/nested/'), path: '/nested/hello', route: routed(go, '/nested/'), status: 200 },
      { ...root, name: 'GET', path: '/wrapped/hello', route: undefined, status: 200 },
      { ...root, ...fixed('/double'), status: 201 },
      { ...root, ...fixed('/panic'), status: undefined, error: 'panic', code: 2 },
      { ...root, ...fixed('/abort'), status: undefined, error: 'panic', code: 2 },
      { ...root, ...fixed('/hello') },
      { ...root, ...fixed('/hello') },
    ]);
    for (const span of more.slice(0, 11)) expect(span.attributes).toMatchObject({ ...plain, ...peer });
    expect(spans.at(-2)!.attributes).toMatchObject({ 'network.protocol.version': '1.0', 'url.scheme': 'http' });
    expect(spans.at(-2)!.attributes['server.address']).toBeUndefined();
    expect(spans.at(-1)!.attributes).toMatchObject({ ...plain, 'url.scheme': 'https' });
    for (const span of spans) {
      expect(span.endUnixNs).toBeGreaterThan(span.startUnixNs);
      expect(span.traceId).not.toBe('0'.repeat(32));
    }
    // Ids are drawn for each span. Roots have traces of their own.
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(16);
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(13);
  });

  test('a pipeline is answered and traced in order', async () => {
    const { server } = serverOf('1.27', 'normal');
    const connection = await RawConnection.open(server.port);
    connection.send(Buffer.concat([0, 1, 2, 3, 4].map((n) => encodeRequest({ target: `/items/${n}` }))));
    for (let n = 0; n < 5; n++) await connection.receive();
    await connection.close();
    const spans = await spansOf(world.receiver, server.pid, 16 + 5);
    expect(spans.slice(16).map((span) => span.attributes['url.path'])).toEqual(
      [0, 1, 2, 3, 4].map((n) => `/items/${n}`),
    );
  });

  test('two hits a request at cheap places, and nothing lost', async () => {
    const started = new Map<string, number>();
    for (const { server, path } of servers.values()) started.set(path, (await server.stats()).started);
    ({ report } = await agent.stop());
    const all = report.probes.filter(({ definition }) => definition === 'go/net/http/server');
    // Where a server answers by itself, which it did not have to.
    const replied = all.filter(({ moment }) => moment === 'replied');
    for (const { class: siteClass, hits } of replied)
      expect({ siteClass, hits }).toEqual({ siteClass: 'call', hits: 0 });
    const own = all.filter((probe) => !replied.includes(probe));
    expect(own).toHaveLength(3 * builds.length);
    for (const [go, variant] of builds) {
      const { path } = serverOf(go, variant);
      const probes = own.filter((probe) => probe.binary === path);
      const requests = started.get(path)!;
      expect(
        probes.map(({ moment, class: siteClass, function: name, hits }) => ({ moment, siteClass, name, hits })),
        `${go} ${variant}`,
      ).toEqual([
        { moment: 'start', siteClass: 'push', name: 'net/http.serverHandler.ServeHTTP', hits: requests },
        { moment: 'end', siteClass: 'call', name: 'net/http.(*conn).serve', hits: requests - 2 },
        { moment: 'panic', siteClass: 'call', name: 'net/http.(*conn).serve.func1', hits: 2 },
      ]);
    }
    const total = [...started.values()].reduce((sum, requests) => sum + requests, 0);
    expect(world.receiver.spanCount).toBe(total);
    expect(report).toMatchObject({ spans: { server: total }, exported: total, lost: [], lostTotal: 0 });
    // A library that the program does not have is not a failure.
    expect(report.skipped.filter(({ reason }) => reason !== 'library_absent')).toEqual([]);
    expect(report.counters).toMatchObject({ spans: total, refired: 0, bad_traceparent: 0, headers_not_scanned: 0 });
  });
});
