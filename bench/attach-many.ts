/**
 * What a busy server loses while the agent attaches to many other programs: 50 different Go binaries start beside one that is under load.
 * Prints the spans lost, and the longest time between two drains. Run as root: node bench/attach-many.ts [BINARIES] [REQUESTS A SECOND]
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningProcess, runProcess, startProcess } from '../test/support/process.ts';
import { startAgent } from './support/agent.ts';
import { buildPrograms } from './support/programs.ts';
import { startReceiver } from './support/receiver.ts';
import { alignTable } from './support/table.ts';
import { memoryUse } from './support/usage.ts';
import { type Load, requireWrk, wrk } from './support/wrk.ts';

const binaries = Number(process.argv[2] ?? 50);
const perSecond = Number(process.argv[3] ?? 20_000);
const seconds = 20;
const connections = 64;

const root = join(import.meta.dirname, '..');

/** The fixture, linked again with another text in it: the same program with other bytes. */
async function variant(n: number): Promise<string> {
  const directory = join(root, 'build', 'bench', 'attach-many');
  await mkdir(directory, { recursive: true });
  const path = join(directory, `server-${n}`);
  if (existsSync(path)) return path;
  const args = [
    'build',
    '-trimpath',
    '-buildvcs=false',
    `-ldflags=-s -w -buildid=b${n} -X main.variant=v${n}`,
    '-o',
    path,
    '.',
  ];
  const { code, stderr } = await runProcess('go', args, {
    cwd: join(root, 'test', 'fixtures', 'go-http'),
    env: { CGO_ENABLED: '0' },
    deadlineMs: 300_000,
  });
  if (code !== 0) throw new Error(`go build failed: ${stderr}`);
  return path;
}

await requireWrk();
const { observed, receiver: receiverPath } = await buildPrograms();
const paths: string[] = [];
for (let n = 0; n < binaries; n++) paths.push(await variant(n));

const receiver = await startReceiver(receiverPath);
const server = await startProcess(observed);
const others: RunningProcess[] = [];
try {
  const [, address] = await server.waitForLine(/^listening (\S+)$/);
  const agent = await startAgent(
    receiver,
    [observed, ...paths].map((path) => `--exe=${path}`),
  );
  try {
    const load: Load = {
      name: 'steady',
      threads: 1,
      connections,
      pauseMs: Math.max(1, Math.round((1000 * connections) / perSecond)),
    };
    const loading = wrk(`http://${address}/hello/world?from=bench`, load, seconds);
    const from = performance.now();
    for (const path of paths) others.push(await startProcess(path));
    const attached = others.map(({ pid }) =>
      agent.process.waitForLine(new RegExp(`\\battached\\b.*\\b${pid}\\b`), 60_000),
    );
    await Promise.all(attached);
    const attachMs = performance.now() - from;
    const { requests, durationUs } = await loading;
    const received = await receiver.settle(1000, 20_000);
    const { nowMiB } = memoryUse(agent.process.pid);
    const { report, stopMs } = await agent.stop();
    await server.stop();
    const [, handled] = await server.waitForLine(/^handled (\d+)$/);
    process.stdout.write(
      `${alignTable([
        ['', ''],
        ['binaries attached', String(others.length)],
        ['from the first start to the last attached, ms', attachMs.toFixed(0)],
        ['requests a second meanwhile', ((requests * 1e6) / durationUs).toFixed(0)],
        ['requests handled', String(handled)],
        ['spans received', String(received)],
        ['spans lost', String(report.lost)],
        ['longest time without draining, ms', String(report.all.longestDrainGapMs)],
        ['RSS, MiB', nowMiB.toFixed(0)],
        ['SIGTERM to exit, ms', stopMs.toFixed(0)],
      ])}\n${report.all.lost.map(({ stage, reason, count }) => `lost: ${stage} ${reason} ${count}\n`).join('')}`,
    );
  } finally {
    await agent.process.stop();
  }
} finally {
  await Promise.all([server, ...others].map((each) => each.stop()));
  await receiver.stop();
}
