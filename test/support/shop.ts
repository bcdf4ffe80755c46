/** The example app as the traced program of a test: started as its README says, visited with traces of the test's own. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RawRequest, requestOnce } from './http.ts';
import { startProcess } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

export interface Shop extends AsyncDisposable {
  /** Of both services: a copy, so that no agent but the test's own sees it. */
  readonly exe: string;
  /** Of the front. */
  readonly port: number;
}

/** A request, and the spans it must leave: the front's (`shop`) and perhaps the inventory's. */
export interface Visit {
  readonly request: RawRequest & { readonly target: string };
  readonly shop: ServerSpan;
  readonly inventory?: ServerSpan;
}

export interface ServerSpan {
  readonly name: string;
  /** Undefined when no status was written. */
  readonly status: number | undefined;
}

/** One of every kind of answer the shop gives. */
export const visits: readonly Visit[] = [
  { request: { target: '/products' }, shop: { name: 'GET /products', status: 200 } },
  {
    request: {
      target: '/products/3?ref=a%20b&sig=secret',
      // Not UTF-8: what Go's protobuf would refuse a whole request for.
      headers: { 'User-Agent': 'caf\xe9/1.0', tracestate: 'vendor=a1,other=b2' },
    },
    shop: { name: 'GET /products/{id}', status: 200 },
    inventory: { name: 'GET /stock/{id}', status: 200 },
  },
  {
    request: { method: 'POST', target: '/orders', body: '{"productId": 3, "quantity": 2}' },
    shop: { name: 'POST /orders', status: 201 },
    inventory: { name: 'POST /reservations', status: 201 },
  },
  {
    request: { method: 'POST', target: '/orders', body: '{"productId": 3, "quantity": 60}' },
    shop: { name: 'POST /orders', status: 409 },
    inventory: { name: 'POST /reservations', status: 409 },
  },
  { request: { target: '/products/999' }, shop: { name: 'GET /products/{id}', status: 404 } },
  { request: { target: '/favicon.ico' }, shop: { name: 'GET', status: 404 } },
  { request: { target: '/fail' }, shop: { name: 'GET /fail', status: 500 } },
  {
    request: { method: 'POST', target: '/panic', body: '{}' },
    shop: { name: 'POST /panic', status: undefined },
  },
];

/** Where a visit came from: ids of the caller's trace and span, lower-case hex. */
export interface Origin {
  readonly traceId: string;
  readonly spanId: string;
}

export async function startShop(): Promise<Shop> {
  execFileSync('make', ['-C', join(root, 'examples', 'go-app')], { stdio: 'ignore' });
  const directory = await mkdtemp(join(tmpdir(), 'uspan-shop-'));
  const exe = join(directory, 'go-app');
  await copyFile(join(root, 'build', 'examples', 'go-app'), exe);
  const app = await startProcess(exe, [], { env: { OTEL_SERVICE_NAME: 'shop' } });
  const [, port] = await app.waitForLine(/^listening .*:(\d+)$/);
  return {
    exe,
    port: Number(port),
    async [Symbol.asyncDispose]() {
      await app.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Makes the request as a part of a new trace. A connection that ends without an answer is what a panic looks like. */
export async function visit(shop: Shop, { request, shop: due }: Visit): Promise<Origin> {
  const origin = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
  const traceparent = `00-${origin.traceId}-${origin.spanId}-01`;
  const status = await requestOnce(shop.port, { ...request, headers: { ...request.headers, traceparent } }).then(
    (response) => response.status,
    () => undefined,
  );
  if (status !== due.status) throw new Error(`${request.target} answered ${status}, not ${due.status}`);
  return origin;
}
