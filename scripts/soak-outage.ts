/**
 * `make soak-outage`: a Go server under a steady load while its collector is away. Fails if a span is missing at the end, or comes twice, or
 * if the first one comes later than 5 s after the collector. As root, after `make build`.
 *
 *   node scripts/soak-outage.ts [--seconds 300] [--rate 500] [--protocol grpc]
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startAgent } from '../test/support/agent.ts';
import { buildGoFixture, startGoFixture } from '../test/support/go-fixture.ts';
import { RawConnection } from '../test/support/http.ts';
import { startOtlpReceiver } from '../test/support/otlp-receiver.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    rate: { type: 'string', default: '500' },
    protocol: { type: 'string', default: 'http/protobuf' },
  },
});
const seconds = Number(options.seconds);
const rate = Number(options.rate);
const protocol = options.protocol === 'grpc' ? 'grpc' : 'http/protobuf';
/** Seconds of load before the collector goes, and after it is back. */
const aroundMs = 5000;
const ticksPerSecond = 20;

/** `rate` requests a second, one after another on one connection, until it has to stop. Returns how many were answered. */
async function load(port: number, stop: AbortSignal): Promise<number> {
  const connection = await RawConnection.open(port);
  const startedAt = performance.now();
  let answered = 0;
  try {
    while (!stop.aborted) {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * rate);
      for (; answered < due; answered++) {
        await connection.request({ target: `/items/${answered}?a=b` });
      }
      await pause(1000 / ticksPerSecond);
    }
  } finally {
    await connection.close();
  }
  return answered;
}

function residentMiB(pid: number): number {
  const kB = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
  return Math.round(Number(kB) / 1024);
}

const receiver = await startOtlpReceiver({ protocol, countOnly: true });
const server = await startGoFixture(await buildGoFixture({ go: '1.27', variant: 'stripped' }));
const agent = await startAgent({ pids: [server.pid], protocol, endpoint: receiver.endpoint });
const over = new AbortController();
try {
  const loading = load(server.port, over.signal);
  loading.catch(() => over.abort());
  await pause(aroundMs);
  const before = residentMiB(agent.pid);
  await receiver.close();
  console.log(`the collector goes, ${receiver.spanCount} spans arrived; the agent has ${before} MiB`);
  await pause(seconds * 1000);
  console.log(`after ${seconds} s the agent has ${residentMiB(agent.pid)} MiB`);
  const back = await startOtlpReceiver({ protocol, port: receiver.port, countOnly: true });
  const backAt = performance.now();
  await back.waitForSpans(1, 5000);
  console.log(`the collector is back; the first span after ${Math.round(performance.now() - backAt)} ms`);
  await back.waitForSpans(seconds * rate * 0.9, 60_000);
  console.log(`${back.spanCount} spans after ${Math.round(performance.now() - backAt)} ms`);
  await pause(aroundMs);
  over.abort();
  const requests = await loading;
  const { report } = await agent.stop();
  await back.close();
  const arrived = receiver.spanCount + back.spanCount;
  console.log(`${requests} requests, ${arrived} spans arrived, ${report.lostTotal} lost, ${report.exported} exported`);
  if (arrived !== requests || report.lostTotal !== 0) throw new Error('spans are missing, or came twice');
} finally {
  over.abort();
  await agent.stop().catch(() => {});
  await server.stop();
  await receiver.close();
}
