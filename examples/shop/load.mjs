/**
 * Visits the pricing service at a steady rate, as the load of the Go app visits its front: `load.mjs URL 20/s`.
 * Ends on SIGTERM or when standard input does.
 */
import { randomBytes } from 'node:crypto';
import { untilStopped } from '../node-app/stop.mjs';

const maxInFlight = 64;
const [base, rate] = process.argv.slice(2);
const [, count, unit] = /^(\d+)\/([sm])$/.exec(rate) ?? [];
if (!(count > 0)) throw new Error(`${rate} is no rate like 20/s or 90/m`);

const upTo = (n) => 1 + Math.floor(Math.random() * n);
const post = (body) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
/** A kind of request and how often it comes, in percent. */
const visits = [
  [60, '/quotes', () => post({ productId: upTo(8), quantity: upTo(20), unitCents: 100 * upTo(30) })],
  [24, () => `/discounts/${upTo(50)}`, () => ({})],
  [4, '/quotes', () => post({ productId: 900 + upTo(99), quantity: 1, unitCents: 100 })],
  [4, '/quotes', () => post({ productId: 1 })],
  [4, '/quotes', () => ({})],
  [4, '/favicon.ico', () => ({})],
];
let inFlight = 0;

/** Draws a kind of request by its share. */
function pick() {
  let at = upTo(100);
  for (const visit of visits) {
    at -= visit[0];
    if (at <= 0) return visit;
  }
}

async function visit() {
  if (inFlight >= maxInFlight) return; // the service is slower than the rate
  inFlight++;
  const [, path, options] = pick();
  const { headers, ...request } = options();
  // The visits come through an edge that traces, as a CDN or an ingress does: each belongs to a trace already.
  const traceparent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
  const url = base + (typeof path === 'string' ? path : path());
  await fetch(url, { ...request, headers: { ...headers, traceparent }, signal: AbortSignal.timeout(5000) })
    .then((response) => response.arrayBuffer())
    .catch(() => {}); // how it ends is not its business
  inFlight--;
}

const timer = setInterval(visit, { s: 1000, m: 60_000 }[unit] / count);
await untilStopped(true);
clearInterval(timer);
