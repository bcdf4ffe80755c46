/**
 * How long it takes to look into a file: reading it, finding the facts that the definitions need, and choosing sites. First like an agent
 * that has just started, then again and again (median of 20 rounds). Each file has a process of its own.
 *
 *     node bench/plan.ts FILE…
 */
import { spawnSync } from 'node:child_process';
import { openBinary } from '../src/discovery/binary.ts';
import { mapFile } from '../src/discovery/map-file.ts';
import { definitions } from '../src/probes/definitions/index.ts';
import { plan } from '../src/probes/plan.ts';

const rounds = 20;
const options = { allowSingleStep: false, allowInstrumented: true };

/** Milliseconds of each stage, and the heap that the whole took, in MB. */
interface Look {
  readonly open: number;
  readonly facts: number;
  readonly sites: number;
  readonly heapMb: number;
}

function look(path: string): Look {
  const file = mapFile(path);
  const heap = process.memoryUsage().heapUsed;
  const began = performance.now();
  const binary = openBinary({ ...file, bytes: file.bytes, path });
  const opened = performance.now();
  // The binary remembers its answers, so the plan then only has to choose the sites.
  for (const definition of definitions) {
    const isFor = definition.runtime === binary.runtime || definition.runtime === 'any';
    if (isFor && definition.matches(binary)) definition.constants(binary);
  }
  const asked = performance.now();
  plan(binary, 'executable', definitions, options);
  const planned = performance.now();
  const heapMb = (process.memoryUsage().heapUsed - heap) / 1e6;
  binary.release();
  file.close();
  return { open: opened - began, facts: asked - opened, sites: planned - asked, heapMb };
}

function row(path: string, when: string, looks: readonly Look[]): string {
  const median = (stage: keyof Look) => looks.map((each) => each[stage]).sort((a, b) => a - b)[looks.length >> 1]!;
  const stages = (['open', 'facts', 'sites', 'heapMb'] as const).map((stage) => median(stage).toFixed(1).padStart(8));
  return `${stages.join('')}  ${when}  ${path}`;
}

const [first, ...others] = process.argv.slice(2);
if (first === '--one') {
  const path = others[0]!;
  console.log(row(path, 'first', [look(path)]));
  const again = Array.from({ length: rounds }, () => {
    globalThis.gc?.();
    return look(path);
  });
  console.log(row(path, 'again', again));
} else {
  console.log(`${['open ms', 'facts ms', 'sites ms', 'heap MB'].map((name) => name.padStart(8)).join('')}`);
  // Enough room for new objects that no collection runs while a look is measured.
  const flags = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];
  for (const path of [first, ...others].filter((each) => each !== undefined)) {
    spawnSync(process.execPath, [...flags, import.meta.filename, '--one', path], { stdio: 'inherit' });
  }
}
