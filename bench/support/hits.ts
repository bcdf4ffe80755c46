import { type Agent, startAgent } from './agent.ts';
import { attachedSites, type BpfProgram, type BpfSite, firstWord, uprobePrograms } from './bpftool.ts';
import { attachEmptyProgram } from './empty-program.ts';
import type { HitsLoad, LoadPrograms, RunningLoad } from './hits-loads.ts';
import type { Receiver } from './receiver.ts';
import { median } from './statistics.ts';
import { type MemoryUse, memoryUse } from './usage.ts';

/** What one BPF program did in one round, for each span. */
interface Round {
  readonly hits: number;
  readonly ns: number;
}

/** One BPF program under one load. */
export interface ProgramHits {
  readonly program: string;
  readonly hitsPerSpan: number;
  readonly nsPerHit: number;
  /** Medians and the lowest of the rounds. */
  readonly nsPerSpan: number;
  readonly lowestNsPerSpan: number;
  /** Reads of user memory. Undefined: they were not counted. */
  readonly readsPerSpan: number | undefined;
}

export interface LoadHits {
  readonly name: string;
  readonly unit: string;
  readonly spans: number;
  readonly lost: number;
  /** The agent's, at the end of the rounds. */
  readonly memory: MemoryUse;
  readonly programs: readonly ProgramHits[];
  /** All sites with the program that does nothing. Undefined: this kernel does not show where they are. */
  readonly emptyNsPerSpan: number | undefined;
}

export interface HitsOptions {
  readonly programs: LoadPrograms;
  readonly receiver: Receiver;
  /** Its `bin/uspan`: the agent that counts reads. */
  readonly countingAgent: string;
  readonly rounds: number;
}

/**
 * Runs a load with uspan attached, with an empty program in its place, and with uspan counting its reads. It needs the kernel's statistics
 * on. A round that does not count follows every attach.
 */
export async function measureHits(load: HitsLoad, options: HitsOptions): Promise<LoadHits> {
  const running = await load.start(options.programs);
  try {
    const agent = await attach(running, options.receiver);
    const rounds = new Map<string, Round[]>();
    let spans = 0;
    await running.run();
    for (let round = 0; round < options.rounds; round++) {
      const before = await uprobePrograms(agent.process.pid);
      const made = await running.run();
      spans += made;
      for (const program of await uprobePrograms(agent.process.pid)) {
        const { runCount, runTimeNs } = before.find(({ id }) => id === program.id) ?? { runCount: 0, runTimeNs: 0 };
        if (program.runCount === runCount) continue;
        const used = { hits: (program.runCount - runCount) / made, ns: (program.runTimeNs - runTimeNs) / made };
        rounds.set(program.name, [...(rounds.get(program.name) ?? []), used]);
      }
    }
    const sites = attachedSites(agent.process.pid);
    const memory = memoryUse(agent.process.pid);
    const { report } = await agent.stop();
    const emptyNsPerSpan = await measureEmpty(running, sites);
    const reads = await countReads(running, options);
    const programs = [...rounds].map(([program, all]): ProgramHits => {
      const [hits, ns] = [median(all.map((each) => each.hits)), median(all.map((each) => each.ns))];
      return {
        program,
        hitsPerSpan: hits,
        nsPerHit: ns / hits,
        nsPerSpan: ns,
        lowestNsPerSpan: Math.min(...all.map((each) => each.ns)),
        readsPerSpan: reads.get(program),
      };
    });
    const { name, unit } = load;
    return { name, unit, spans, lost: report.lost, memory, programs, emptyNsPerSpan };
  } finally {
    await running.stop();
  }
}

function attach({ exe, config }: RunningLoad, receiver: Receiver, program?: string): Promise<Agent> {
  return startAgent(receiver, ['--exe', exe, ...(config ? ['--config', config] : [])], program ? { program } : {});
}

async function measureEmpty(running: RunningLoad, sites: readonly BpfSite[]): Promise<number | undefined> {
  if (sites.length === 0) return undefined;
  const empty = await attachEmptyProgram(sites);
  try {
    await running.run();
    const before = empty.ran();
    const spans = await running.run();
    return (empty.ran().runTimeNs - before.runTimeNs) / spans;
  } finally {
    await empty.detach();
  }
}

/** By the name of the program. Hits while a program is loaded or unloaded count too, but there are few. */
async function countReads(running: RunningLoad, options: HitsOptions): Promise<Map<string, number>> {
  const agent = await attach(running, options.receiver, options.countingAgent);
  try {
    await running.run();
    const before = await readsOf(await uprobePrograms(agent.process.pid));
    const spans = await running.run();
    const after = await readsOf(await uprobePrograms(agent.process.pid));
    return new Map([...after].map(([name, reads]) => [name, (reads - (before.get(name) ?? 0)) / spans]));
  } finally {
    const { report } = await agent.stop();
    const refused = report.all.skipped.find(({ reason }) => reason === 'attach_failed');
    if (refused) console.error(`without the reads of ${refused.definition}: ${refused.detail}`);
  }
}

async function readsOf(programs: readonly BpfProgram[]): Promise<Map<string, number>> {
  const reads = new Map<string, number>();
  for (const program of programs) {
    const count = await firstWord(program, '.data.reads');
    if (count !== undefined) reads.set(program.name, count);
  }
  return reads;
}
