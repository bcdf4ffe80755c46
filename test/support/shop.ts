/** The example shop as the traced programs of a test: started like `make demo` starts it, and visited with traces of the test's own. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type RawRequest, requestOnce } from './http.ts';
import { startProcess } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

export interface Shop extends AsyncDisposable {
  /** Pids of its services, including PostgreSQL's postmaster. */
  readonly pids: readonly number[];
  /** Of the front. */
  readonly port: number;
}

/** A request to the front, and the server spans it must leave, the front's first. */
export interface Visit {
  readonly request: RawRequest & { readonly target: string };
  readonly servers: readonly [ServerSpan, ...ServerSpan[]];
}

/** Service, name, and the status of the answer. Undefined after a panic. */
export type ServerSpan = readonly [service: string, name: string, status: number | undefined];

/** One of every kind of answer that the front gives. */
export const visits: readonly Visit[] = [
  { request: { target: '/products' }, servers: [['front', 'GET /products', 200]] },
  {
    request: {
      target: '/products/3?ref=a%20b&sig=secret',
      // Not UTF-8: Go's protobuf would refuse a whole request over it.
      headers: { 'User-Agent': 'caf\xe9/1.0', tracestate: 'vendor=a1,other=b2' },
    },
    servers: [
      ['front', 'GET /products/{id}', 200],
      ['inventory', 'GET /stock/{id}', 200],
    ],
  },
  {
    request: { method: 'POST', target: '/orders', body: '{"productId": 3, "quantity": 2}' },
    servers: [
      ['front', 'POST /orders', 201],
      ['inventory', 'POST /reservations', 201],
      ['pricing', 'POST', 201],
      ['inventory', 'GET /stock/{id}', 200],
      // pricing forwards the trace in a comment of the statement.
      ['postgres', 'SELECT discounts', undefined],
      ['postgres', 'INSERT quotes', undefined],
    ],
  },
  {
    request: { method: 'POST', target: '/orders', body: '{"productId": 3, "quantity": 60}' },
    servers: [
      ['front', 'POST /orders', 409],
      ['inventory', 'POST /reservations', 409],
    ],
  },
  { request: { target: '/products/999' }, servers: [['front', 'GET /products/{id}', 404]] },
  { request: { target: '/favicon.ico' }, servers: [['front', 'GET', 404]] },
  { request: { target: '/fail' }, servers: [['front', 'GET /fail', 500]] },
  { request: { method: 'POST', target: '/panic', body: '{}' }, servers: [['front', 'POST /panic', undefined]] },
];

/** Where a visit came from: ids of the caller's trace and span, lower-case hex. */
export interface Origin {
  readonly traceId: string;
  readonly spanId: string;
}

/** With a PostgreSQL of its own for the Node.js half. `make test` installs it. */
export async function startShop(): Promise<Shop> {
  execFileSync('make', ['-C', root, 'examples'], { stdio: 'ignore' });
  const launcher = join(root, 'examples', 'shop', 'main.mjs');
  // A node of its own, because the agent leaves alone processes that run the same file as itself.
  const args = [launcher, '--node', join(root, 'build', 'examples', 'node')];
  const parts = await startProcess(process.execPath, args, { lifeline: true });
  await parts.waitForLine(/^ready$/, 30_000);
  const lines = parts.stdout().trim().split('\n').slice(0, -1);
  const started = lines.map((line) => /^(\w+) (\d+)(?: .*:(\d+))?$/.exec(line)!.slice(1));
  const names = started.map(([name]) => name).join(' ');
  if (names !== 'postgres inventory pricing front') throw new Error(`the shop is not whole: ${names}`);
  return {
    pids: started.map(([, pid]) => Number(pid)),
    port: Number(started.at(-1)![2]),
    async [Symbol.asyncDispose]() {
      await parts.stop();
    },
  };
}

/** Makes the request as part of a new trace. A panic looks like a connection that ends without an answer. */
export async function visit(shop: Shop, { request, servers: [[, , due]] }: Visit): Promise<Origin> {
  const origin = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
  const traceparent = `00-${origin.traceId}-${origin.spanId}-01`;
  const status = await requestOnce(shop.port, { ...request, headers: { ...request.headers, traceparent } }).then(
    (response) => response.status,
    () => undefined,
  );
  if (status !== due) throw new Error(`${request.target} answered ${status}, not ${due}`);
  return origin;
}
