/** `npm run bench:agent`: what a span costs the agent, by stage, on recorded records. See docs/bench.md. */
import { parseArgs } from 'node:util';
import { type ReplayResult, type Stage, stages } from './agent/job.ts';
import { describeMachine } from './support/machine.ts';
import { buildNodePrograms } from './support/node-programs.ts';
import { otherCpu, pinToCpu } from './support/pin.ts';
import { buildHitsPrograms } from './support/programs.ts';
import { startReceiver } from './support/receiver.ts';
import { replay } from './support/replay.ts';
import { ringRecording } from './support/ring-recording.ts';
import { readable } from './support/statistics.ts';
import { alignTable } from './support/table.ts';
import { requireWrk } from './support/wrk.ts';

const usage = `node bench/agent.ts [options]
  --grpc          send by gRPC in place of HTTP
  --records N     records to replay (1,000,000)
  --rate N        records a second (50,000)
  --rounds N      times each stage is run; the one that took least CPU counts (1)
  --stage NAME    only up to this stage (repeatable): ${stages.join(', ')}
  --again         record the ring anew
  --profile FILE  write a CPU profile of the last stage
  --json          print the numbers as JSON
`;

const titles: Readonly<Record<Stage, string>> = {
  decode: 'decode, correlate, read fields',
  write: '+ write OTLP',
  batch: '+ batch and build requests',
  send: '+ send to a receiver',
};

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      grpc: { type: 'boolean', default: false },
      records: { type: 'string', default: '1000000' },
      rate: { type: 'string', default: '50000' },
      rounds: { type: 'string', default: '1' },
      stage: { type: 'string', multiple: true },
      again: { type: 'boolean', default: false },
      profile: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(usage);
    return;
  }
  const [records, ratePerSecond, rounds] = [options.records, options.rate, options.rounds].map(Number) as [
    number,
    number,
    number,
  ];
  const chosen = stages.filter((stage) => options.stage?.includes(stage) ?? true);
  if (!(records > 0 && ratePerSecond > 0 && rounds > 0) || chosen.length === 0)
    throw new Error('--help says what can be asked for');
  await requireWrk();
  const machine = await describeMachine();
  const node = await buildNodePrograms();
  const programs = { ...(await buildHitsPrograms()), node, receiver: node.receiver };
  const recording = await ringRecording(programs, options.again);
  await pinToCpu(process.pid, otherCpu);
  const receiver = await startReceiver(programs.receiver);
  const results = new Map<Stage, ReplayResult>();
  let lost = 0;
  try {
    for (const stage of chosen) {
      const target = options.grpc
        ? { protocol: 'grpc' as const, endpoint: receiver.endpoint }
        : { protocol: 'http/protobuf' as const, endpoint: receiver.httpEndpoint };
      const job = { ...target, recording, stage, records, ratePerSecond };
      for (let round = 0; round < rounds; round++) {
        const result = await replay(job);
        lost += result.lost;
        if (result.cpuNsPerSpan < (results.get(stage)?.cpuNsPerSpan ?? Infinity)) results.set(stage, result);
      }
      // Once more, because a profiled round costs more.
      if (options.profile && stage === chosen.at(-1)) await replay({ ...job, profile: options.profile });
    }
    const received = await receiver.spans();
    if (options.json) {
      console.log(
        JSON.stringify({ machine, records, ratePerSecond, results: Object.fromEntries(results), received }, null, 2),
      );
      return;
    }
    console.log(
      `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}`,
    );
    const how = options.grpc ? 'gRPC' : 'http/protobuf';
    console.log(
      `${readable(records)} records at ${readable(ratePerSecond)} a second, a processor of its own; ${how}\n`,
    );
    console.log(tableOf(results));
    console.log(`\nthe receiver got ${readable(received)} spans, the warm-up's among them; ${readable(lost)} lost`);
  } finally {
    await receiver.stop();
  }
}

function tableOf(results: ReadonlyMap<Stage, ReplayResult>): string {
  let before = 0;
  const rows = [...results].map(([stage, { cpuNsPerSpan, systemNsPerSpan, gcShare, peakRssMiB }]) => {
    const own = cpuNsPerSpan - before;
    before = cpuNsPerSpan;
    return [
      ...[titles[stage], readable(cpuNsPerSpan), readable(own), readable(systemNsPerSpan)],
      ...[`${readable(100 * gcShare, 1)} %`, readable(peakRssMiB)],
    ];
  });
  return alignTable([['', 'CPU ns a span', 'this stage', 'in the kernel', 'GC', 'peak RSS, MiB'], ...rows]);
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
