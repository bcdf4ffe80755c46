/** `npm run bench:hits`: what the BPF programs cost a span, by the kernel's own count. See docs/bench.md. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startAgent } from './support/agent.ts';
import { withBpfStatistics } from './support/bpf-statistics.ts';
import { mapMemory, requireBpftool } from './support/bpftool.ts';
import { buildCountingAgent } from './support/counting-agent.ts';
import { type LoadHits, measureHits } from './support/hits.ts';
import { hitsLoads } from './support/hits-loads.ts';
import { describeMachine } from './support/machine.ts';
import { buildNodePrograms } from './support/node-programs.ts';
import { otherCpu, pinToCpu } from './support/pin.ts';
import { buildHitsPrograms, buildReceiver } from './support/programs.ts';
import { type Receiver, startReceiver } from './support/receiver.ts';
import { readable } from './support/statistics.ts';
import { alignTable } from './support/table.ts';
import { requireWrk } from './support/wrk.ts';

const usage = `node bench/hits.ts [options]
  --only NAME  only loads whose name begins so (repeatable): ${hitsLoads.map(({ name }) => name).join('; ')}
  --rounds N   rounds that count, of about a second each (5)
  --json FILE  also write the numbers to a file
`;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '5' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(usage);
    return;
  }
  const rounds = Number(options.rounds);
  const chosen = hitsLoads.filter(({ name }) => options.only?.some((start) => name.startsWith(start)) ?? true);
  if (!(rounds > 0) || chosen.length === 0) throw new Error('--help says what can be asked for');
  await Promise.all([requireWrk(), requireBpftool()]);
  const machine = await describeMachine();
  const programs = { ...(await buildHitsPrograms()), node: await buildNodePrograms() };
  const [receiverProgram, countingAgent] = [await buildReceiver(), await buildCountingAgent()];
  // The measured program gets the other one.
  await pinToCpu(process.pid, otherCpu);
  const receiver = await startReceiver(receiverProgram);
  console.log(`${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`);
  console.log(
    `Node.js ${machine.node}, ${machine.go}; medians of ${rounds} rounds; all numbers but ns a hit are for one span\n`,
  );
  try {
    const all: LoadHits[] = [];
    await withBpfStatistics(async () => {
      for (const load of chosen) {
        process.stderr.write(`${load.name} …\n`);
        all.push(await measureHits(load, { programs, receiver, countingAgent, rounds }));
      }
    });
    console.log(tableOf(all));
    const lost = all.filter((each) => each.lost > 0);
    for (const each of lost)
      console.log(`${each.name}: ${readable(each.lost)} of ${readable(each.spans)} spans were lost`);
    const memory = await measureMapMemory(receiver);
    const rss = all.map((each) => `${readable(each.memory.nowMiB)} / ${readable(each.memory.peakMiB)}`);
    console.log(`\nagent RSS at the end of each load, MiB (now / peak): ${rss.join(', ')}`);
    console.log(
      `${memory.maps} maps at defaults, nothing attached: ${readable(memory.bytes / 2 ** 20, 1)} MiB of kernel memory`,
    );
    if (options.json) await writeFile(options.json, JSON.stringify({ machine, rounds, loads: all, memory }, null, 2));
  } finally {
    await receiver.stop();
  }
}

function tableOf(all: readonly LoadHits[]): string {
  const heading = ['', 'hits', 'ns a hit', 'BPF ns', 'lowest', 'empty', 'times', 'reads'];
  const rows = all.flatMap(({ name, unit, programs: each, emptyNsPerSpan }) => {
    // One hit in a thousand spans comes from a connection that was made or closed.
    const programs = each.filter(({ hitsPerSpan }) => hitsPerSpan >= 0.001);
    const total = programs.reduce((sum, { nsPerSpan }) => sum + nsPerSpan, 0);
    const lowest = programs.reduce((sum, { lowestNsPerSpan }) => sum + lowestNsPerSpan, 0);
    const hits = programs.reduce((sum, { hitsPerSpan }) => sum + hitsPerSpan, 0);
    const reads = programs.reduce((sum, { readsPerSpan }) => sum + (readsPerSpan ?? 0), 0);
    const whole = [
      ...[`${name}, a ${unit}`, readable(hits, 2), readable(total / hits), readable(total), readable(lowest)],
      ...(emptyNsPerSpan ? [readable(emptyNsPerSpan), `×${readable(total / emptyNsPerSpan, 1)}`] : ['–', '–']),
      readable(reads, 2),
    ];
    const parts = programs.map((each) => [
      ...[`  ${each.program}`, readable(each.hitsPerSpan, 2), readable(each.nsPerHit), readable(each.nsPerSpan)],
      ...[
        readable(each.lowestNsPerSpan),
        '',
        '',
        each.readsPerSpan === undefined ? '–' : readable(each.readsPerSpan, 2),
      ],
    ]);
    return [whole, ...(programs.length > 1 ? parts : [])];
  });
  return alignTable([heading, ...rows]);
}

/** When the programs of all definitions are loaded: the number of maps no longer grows. */
async function measureMapMemory(receiver: Receiver) {
  const agent = await startAgent(receiver, ['--exe', '/nowhere/nothing']);
  try {
    let memory = mapMemory(agent.process.pid);
    for (let quietMs = 0; quietMs < 1000; quietMs += 100) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const now = mapMemory(agent.process.pid);
      if (now.maps !== memory.maps) quietMs = 0;
      memory = now;
    }
    return memory;
  } finally {
    await agent.stop();
  }
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
