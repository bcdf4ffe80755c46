import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import { type RunningAgent, startAgent } from '../support/agent.ts';
import { allGoReleases, allGoVariants, type GoRelease, type GoVariant } from '../support/go-fixture.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type LinkPrograms, spansByKind, startLinkPrograms } from './go-link-world.ts';
import { describeKernel } from './native-fixture.ts';

const builds: readonly (readonly [GoRelease, GoVariant])[] = [
  ...allGoReleases.map((go) => [go, 'stripped'] as const),
  ...allGoVariants.filter((variant) => variant !== 'stripped').map((variant) => ['1.26', variant] as const),
];
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

/** The expected values of one span: its URL behind the scheme's origin, and its status code or `error.type`. */
interface Expected {
  readonly url: string;
  readonly method?: string;
  readonly status?: number;
  readonly error?: string;
  readonly version?: string;
  readonly more?: Readonly<Record<string, unknown>>;
}

interface Scenario {
  readonly name: string;
  readonly query?: Readonly<Record<string, string>>;
  /** The URL of the call, if it is not the upstream's plain one. */
  readonly to?: 'https' | string;
  readonly spans: readonly Expected[];
  /** The first release that can do it. All by default. */
  readonly since?: GoRelease;
}

const timeout = { error: 'timeout' };
const canceled = { error: 'canceled' };
const drop = { url: '/drop' };
const scenarios: readonly Scenario[] = [
  { name: 'get', query: { path: '/items/1?q=1&r' }, spans: [{ url: '/items/1?q=1&r', status: 200 }] },
  { name: 'get', query: { path: '' }, spans: [{ url: '', status: 200 }] },
  { name: 'get', query: { path: '?q' }, spans: [{ url: '?q', status: 200 }] },
  { name: 'get', query: { path: '/a%20b/%2Fc/*?x=%20' }, spans: [{ url: '/a%20b/%2Fc/*?x=%20', status: 200 }] },
  { name: 'get', query: { path: '/a b' }, spans: [{ url: '/a%20b', status: 200 }] },
  { name: 'body', query: { path: '/echo', method: 'POST' }, spans: [{ url: '/echo', method: 'POST', status: 200 }] },
  { name: 'stream', query: { path: '/stream' }, spans: [{ url: '/stream', status: 200 }] },
  { name: 'no-method', spans: [{ url: '', status: 200 }] },
  {
    name: 'get',
    query: { path: '/echo', method: 'PURGE' },
    spans: [{ url: '/echo', method: '_OTHER', status: 200, more: { 'http.request.method_original': 'PURGE' } }],
  },
  { name: 'round-trip', query: { path: '/echo' }, spans: [{ url: '/echo', status: 200 }] },
  {
    name: 'client-conn',
    query: { path: '/echo' },
    spans: [
      { url: '/echo', status: 200 },
      { url: '/echo', status: 200 },
    ],
    since: '1.26',
  },
  {
    name: 'client-conn',
    query: { path: '/hang-up' },
    spans: [
      { url: '/hang-up', error: 'EOF' },
      { url: '/hang-up', error: expect.any(String) as unknown as string },
    ],
    since: '1.26',
  },
  { name: 'get', query: { path: '/status/404' }, spans: [{ url: '/status/404', status: 404, error: '404' }] },
  { name: 'get', query: { path: '/status/503' }, spans: [{ url: '/status/503', status: 503, error: '503' }] },
  {
    name: 'redirects',
    query: { path: '/redirect/2' },
    spans: [
      { url: '/redirect/2', status: 302 },
      { url: '/redirect/1?from=2', status: 302 },
      { url: '/redirect/0?from=1', status: 200 },
    ],
  },
  // Credentials and secrets.
  { name: 'get', query: { path: '/s?sig=secret&b=1' }, spans: [{ url: '/s?sig=REDACTED&b=1', status: 200 }] },
  // What the program changed in a URL: see url.URL.EscapedPath() and RequestURI().
  { name: 'stale-raw-path', query: { path: '/api/a%2Fb' }, spans: [{ url: '/a/b', status: 200 }] },
  { name: 'get', query: { path: '/forced?' }, spans: [{ url: '/forced?', status: 200 }] },
  {
    name: 'opaque',
    query: { path: '/x?q=1', opaque: '/ok%2Fopaque' },
    spans: [{ url: '/ok%2Fopaque?q=1', status: 200 }],
  },
  {
    name: 'opaque',
    query: { path: '/x?q=1', opaque: '//HOST/ok%2Fopaque?not=query' },
    spans: [{ url: '/ok%2Fopaque?not=query?q=1', status: 200 }],
  },
  { name: 'opaque-host', query: { path: '/q' }, spans: [{ url: '/q', error: '*net.DNSError' }] },
  // TLS, by HTTP/1 and HTTP/2, on a new connection and on an open one.
  { name: 'http1', to: 'https', spans: [{ url: '/', status: 200 }] },
  { name: 'http2', to: 'https', spans: [{ url: '/', status: 200, version: '2' }] },
  {
    name: 'twice',
    to: 'https',
    spans: [
      { url: '/', status: 200, version: '2' },
      { url: '/', status: 200, version: '2' },
    ],
  },
  { name: 'untrusted', to: 'https', spans: [{ url: '/', error: '*tls.CertificateVerificationError' }] },
  // No response.
  { name: 'refused', to: 'http://127.0.0.1:1/', spans: [{ url: '/', error: 'ECONNREFUSED' }] },
  // An error of the program's own that unwraps to a known one is that error. Otherwise it has its own name.
  { name: 'refused-wrapped', to: 'http://127.0.0.1:1/', spans: [{ url: '/', error: 'ECONNREFUSED' }] },
  { name: 'secret-wrapped', spans: [{ url: '', error: '*main.attempt' }] },
  { name: 'dns', to: 'http://nowhere.invalid/', spans: [{ url: '/', error: '*net.DNSError' }] },
  { name: 'dial-timeout', spans: [{ url: '', ...timeout }] },
  { name: 'dial-error', spans: [{ url: '', error: '*errors.errorString' }] },
  { name: 'header-timeout', query: { path: '/slow' }, spans: [{ url: '/slow', ...timeout }] },
  { name: 'deadline', query: { path: '/slow' }, spans: [{ url: '/slow', ...timeout }] },
  { name: 'client-timeout', query: { path: '/slow' }, spans: [{ url: '/slow', ...timeout }] },
  { name: 'cancel', query: { path: '/slow' }, spans: [{ url: '/slow', ...canceled }] },
  { name: 'cancelled-before', spans: [{ url: '', ...canceled }] },
  { name: 'get', query: { path: '/hang-up' }, spans: [{ url: '/hang-up', error: 'EOF' }] },
  // The server drops the open connection when the second request comes. The transport sends it again on a new one.
  {
    name: 'twice',
    query: { path: '/drop' },
    spans: [
      { ...drop, status: 200 },
      { ...drop, error: expect.stringMatching(/^(ECONNRESET|EOF)$/) as unknown as string },
      { ...drop, status: 200, more: { 'http.request.resend_count': 1 } },
    ],
  },
];

/** One agent for all builds at once. Their spans' process.pid tells them apart. */
describeKernel('Go HTTP client spans, every Go release', () => {
  leavesNothingInKernel();
  let receiver: OtlpReceiver;
  let agent: RunningAgent;
  const programs = new Map<string, LinkPrograms>();
  const due = new Map<string, number>();

  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    for (const [go, variant] of builds) programs.set(`${go} ${variant}`, await startLinkPrograms(go, variant));
    const pids = [...programs.values()].map(({ app }) => app.pid);
    agent = await startAgent({ endpoint: receiver.endpoint, pids });
  }, 900_000);
  afterAll(async () => {
    await agent.stop().catch(() => {});
    await Promise.all([...programs.values()].map((each) => each.close()));
    await receiver.close();
  });

  test.each(builds)('Go %s, %s', async (go, variant) => {
    const { app, upstream } = programs.get(`${go} ${variant}`)!;
    const origins = { http: `http://127.0.0.1:${upstream.port}`, https: `https://127.0.0.1:${upstream.tlsPort}` };
    const possible = scenarios.filter(
      ({ since = '1.21' }) => allGoReleases.indexOf(go) >= allGoReleases.indexOf(since),
    );
    const wanted = possible.flatMap(({ to, spans }) => {
      const url = new URL(to === 'https' ? origins.https : (to ?? origins.http));
      return spans.map((span) => spanOf(url, span));
    });
    for (const { name, query = {}, to } of possible) {
      await app.run(name, {
        ...query,
        ...(to === undefined ? {} : { url: to === 'https' ? `${origins.https}/` : to }),
      });
    }
    const { client } = await spansByKind(receiver, app.pid, { server: 0, client: wanted.length });
    expect(client.map(({ name, attributes, status }) => ({ name, attributes, error: status.code === 2 }))).toEqual(
      wanted,
    );
    for (const span of client) {
      expect(span).toMatchObject({ kind: 3, parentSpanId: undefined, flags: 0x101, scope: { name: 'uspan' } });
      expect(span.endUnixNs).toBeGreaterThan(span.startUnixNs);
      expect(JSON.stringify(span.attributes)).not.toContain('secret');
    }
    expect(new Set(client.map((span) => span.traceId)).size).toBe(wanted.length);
    due.set(app.path, wanted.length);
  });

  test('a traceparent of the program’s own', async () => {
    const { app } = programs.get('1.21 stripped')!;
    const before = due.get(app.path)!;
    for (const [name, traceparent] of [
      ['get', `00-${traceId}-${parentId}-01`],
      // net/http takes blanks off when it writes the header.
      ['get', ` \t00-${traceId}-${parentId}-01 `],
      ['get', `00-${traceId}-${parentId}-00`],
      ['get', `00-${traceId}-${parentId}`],
      ['two-traceparents', `00-${traceId}-${parentId}-01`],
    ] as const) {
      await app.run(name, { traceparent });
    }
    // The third one says not to sample.
    const { client } = await spansByKind(receiver, app.pid, { server: 0, client: before + 4 });
    const [taken, trimmed, ...ignored] = client.slice(before);
    expect(taken).toMatchObject({ traceId, parentSpanId: parentId, flags: 0x301 });
    expect(trimmed).toMatchObject({ traceId, parentSpanId: parentId, flags: 0x301 });
    for (const span of ignored) expect(span).toMatchObject({ parentSpanId: undefined, flags: 0x101 });
    due.set(app.path, before + 4);
  });

  test('what is no attempt has no span', async () => {
    const { app } = programs.get('1.26 pie')!;
    expect(await app.run('no-host')).toMatchObject({ error: expect.stringContaining('no Host') });
    expect(await app.run('bad-method')).toMatchObject({ error: expect.stringContaining('invalid method') });
    // The next call of a goroutine finds out that the last one failed.
    for (let n = 0; n < 8; n++) await app.run('get');
    await spansByKind(receiver, app.pid, { server: 0, client: due.get(app.path)! + 8 });
    due.set(app.path, due.get(app.path)! + 8);
  });

  test('two hits a call at cheap places, and nothing lost', async () => {
    const { report } = await agent.stop();
    const total = [...due.values()].reduce((sum, spans) => sum + spans, 0);
    expect(report).toMatchObject({ spans: { server: 0, client: total }, exported: total });
    expect(report.counters).toMatchObject({
      spans: total,
      sampled_out: 1,
      end_without_start: 0,
      refired: 0,
      bad_traceparent: 2,
    });
    for (const { app } of programs.values()) expectConserved(report, app.path, due.get(app.path)!);
  });
});

describeKernel('URLs in more bytes than a record holds', () => {
  leavesNothingInKernel();

  test('a span of them is cut, and not lost', async () => {
    const receiver = await startOtlpReceiver();
    const { app, upstream, close } = await startLinkPrograms();
    const agent = await startAgent({ endpoint: receiver.endpoint, pids: [app.pid], extra: ['--max-path-bytes=8192'] });
    try {
      // url.URL keeps such a path twice, decoded and as it came: three texts of 8 KB each.
      const path = `/${'%2Fabcdefghijk'.repeat(700)}`;
      await app.run('get', { path: `${path}?${'q'.repeat(9000)}` });
      await app.run('get', { path: '/next' });
      const { client } = await spansByKind(receiver, app.pid, { server: 0, client: 2 });
      const [long, next] = client.map(({ attributes }) => attributes);
      const told = String(long!['url.full']);
      const start = `http://127.0.0.1:${upstream.port}/`;
      expect(told.slice(0, start.length)).toBe(start);
      expect(told.length).toBeGreaterThan(8000);
      expect(long).toMatchObject({ 'http.response.status_code': 200, 'uspan.truncated': 'url.full' });
      expect(next).toMatchObject({ 'url.full': `${start}next` });
      expect(next).not.toHaveProperty(['uspan.truncated']);
      expect((await agent.stop()).report.lost).toEqual([]);
    } finally {
      await agent.stop().catch(() => {});
      await close();
      await receiver.close();
    }
  });
});

function spanOf(base: URL, { url, method = 'GET', status, error, version = '1.1', more = {} }: Expected) {
  const origin = `${base.protocol}//${base.host}`;
  return {
    name: method === '_OTHER' ? 'HTTP' : method,
    attributes: {
      'http.request.method': method,
      'url.full': `${origin}${url}`,
      'server.address': base.hostname,
      'server.port': Number(base.port) || 80,
      ...(status === undefined ? {} : { 'http.response.status_code': status, 'network.protocol.version': version }),
      ...(error === undefined ? {} : { 'error.type': error }),
      ...more,
    },
    error: error !== undefined,
  };
}

/** Every start has one end. A call has two hits, or three if another transport was asked first. */
function expectConserved(report: Report, path: string, spans: number): void {
  const probes = report.probes.filter((probe) => probe.definition === 'go/net/http/client' && probe.binary === path);
  const hits = Object.fromEntries(probes.map((probe) => [probe.moment, probe.hits])) as Record<string, number>;
  expect(probes.map((probe) => probe.class)).not.toContain('stepped');
  const { start, end, alternate, no_connection: noConnection, cancelled, retry } = hits;
  expect(Object.keys(hits)).toHaveLength(6);
  // HTTP/2 on an open connection ends at `alternate`. Every other call by TLS passes it on its way.
  const byAlternate = 1;
  expect(end! + noConnection! + cancelled! + byAlternate).toBeGreaterThanOrEqual(spans);
  expect(start! + retry!).toBeGreaterThanOrEqual(spans);
  expect(alternate).toBeLessThanOrEqual(8);
}
