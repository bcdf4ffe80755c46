import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import type { RunningAgent } from '../support/agent.ts';
import { encodeRequest, get, RawConnection, requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { allNodeReleases, type NodeFixture, type NodeRelease } from '../support/node-fixture.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;

/** Every site is emulated. Its instruction differs by compiler: gcc up to 24, clang for 26. */
const classes: Readonly<Record<string, Partial<Record<NodeRelease, string>> & { readonly default: string }>> = {
  request: { default: 'jcc', '26': 'push' },
  write: { default: 'jcc' },
  close: { default: 'push' },
  tls_write: { default: 'push' },
  read: { default: 'push' },
  connect: { default: 'jcc', '26': 'push' },
};

/** What each definition has probes for. */
const moments = {
  'node/http/server': ['close', 'request', 'tls_write', 'write'],
  'node/http/client': ['close', 'connect', 'read', 'tls_write', 'write'],
  'node/pg': ['close', 'connect', 'read', 'tls_write', 'write'],
} as const;

/** One agent for all releases at once. Their spans' process.pid tells them apart. */
describeKernel('Node.js server spans, every release', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let agent: RunningAgent;
  let report: Report;
  const servers = new Map<NodeRelease, { binary: string; server: NodeFixture }>();

  beforeAll(async () => {
    world = await openNodeWorld();
    for (const release of allNodeReleases) {
      const binary = await world.binary(release);
      servers.set(release, { binary, server: await world.fixture(binary, 'node-http', { tls: true }) });
    }
    agent = await world.agent({ pids: [...servers.values()].map(({ server }) => server.pid) });
  }, 900_000);
  afterAll(() => world.close());

  test.each(allNodeReleases)('Node.js %s', async (release) => {
    const { server, binary } = servers.get(release)!;
    const { port } = server;
    const connection = await RawConnection.open(port);
    const clientPort = connection.localPort;
    await connection.request({
      target: '/hello?q=1&sig=secret&x',
      headers: {
        Host: 'shop.example:8080',
        'User-Agent': 'a browser',
        TraceParent: traceparent,
        tracestate: 'a=1,b=2',
      },
    });
    await connection.request({ method: 'POST', target: '/echo', body: 'x'.repeat(1000) });
    await connection.request({ target: '/chunks?n=2' });
    await connection.request({ target: '/parts' });
    await connection.request({ target: '/status/503' });
    await connection.request({ method: 'HEAD', target: '/hello' });
    await connection.request({ target: '/none' });
    await connection.request({ target: '/unchanged' });
    for (let i = 0; i < 3; i++) connection.send(encodeRequest({ target: `/status/${201 + i}` }));
    for (let i = 0; i < 3; i++) await connection.receive();
    await connection.close();
    await requestOnce(port, { target: '/hello', version: 'HTTP/1.0' });
    await expect(get(port, '/abort')).rejects.toThrow('closed');
    await get(server.ports.get('https')!, '/hello', { tls: true });

    const spans = await spansOf(world.receiver, server.pid, 14);
    expect(spans[0]).toMatchObject({
      name: 'GET',
      kind: 2,
      traceId,
      parentSpanId: parentId,
      traceState: 'a=1,b=2',
      flags: 0x301,
      resource: { 'process.executable.path': binary, 'telemetry.sdk.language': 'nodejs' },
    });
    expect(spans[0]!.attributes).toEqual({
      'http.request.method': 'GET',
      'url.path': '/hello',
      'url.query': 'q=1&sig=REDACTED&x',
      'url.scheme': 'http',
      'http.response.status_code': 200,
      'server.address': 'shop.example',
      'server.port': 8080,
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': clientPort,
      'network.protocol.version': '1.1',
      'user_agent.original': 'a browser',
    });
    for (const { attributes } of spans) expect(attributes['client.address']).toBe('127.0.0.1');
    const seen = spans
      .slice(1)
      .map(({ name, status, attributes }) => [
        name,
        attributes['url.path'],
        attributes['http.response.status_code'],
        attributes['error.type'],
        attributes['url.scheme'],
        status.code,
      ]);
    expect(seen).toEqual([
      ['POST', '/echo', 200, undefined, 'http', 0],
      ['GET', '/chunks', 200, undefined, 'http', 0],
      ['GET', '/parts', 200, undefined, 'http', 0],
      ['GET', '/status/503', 503, '503', 'http', 2],
      ['HEAD', '/hello', 200, undefined, 'http', 0],
      ['GET', '/none', 204, undefined, 'http', 0],
      ['GET', '/unchanged', 304, undefined, 'http', 0],
      ['GET', '/status/201', 201, undefined, 'http', 0],
      ['GET', '/status/202', 202, undefined, 'http', 0],
      ['GET', '/status/203', 203, undefined, 'http', 0],
      ['GET', '/hello', 200, undefined, 'http', 0],
      ['GET', '/abort', undefined, 'aborted', 'http', 2],
      ['GET', '/hello', 200, undefined, 'https', 0],
    ]);
  });

  test('every request is a span, and the probes are on emulated instructions', async () => {
    ({ report } = await agent.stop());
    expect(report.lost).toEqual([]);
    expect(report.spans.server).toBe(14 * allNodeReleases.length);
    expect(report.counters.node_requests).toBe(report.spans.server);
    for (const [release, { binary }] of servers) {
      const sites = report.probes.filter((probe) => probe.binary === binary && probe.definition in moments);
      expect(Object.fromEntries(sites.map((site) => [site.moment, site.class])), release).toEqual(
        Object.fromEntries(Object.entries(classes).map(([moment, of]) => [moment, of[release] ?? of.default])),
      );
      for (const [definition, its] of Object.entries(moments)) {
        const found = sites.filter((site) => site.definition === definition).map(({ moment }) => moment);
        expect(found.sort(), `${release} ${definition}`).toEqual(its);
      }
    }
  });
});
