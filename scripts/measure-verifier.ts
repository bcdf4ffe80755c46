/**
 * Prints how many instructions the verifier of this kernel walks for each program, in the most expensive configuration, in the form of
 * test/contract/verifier-measured.json. With `--write`, it puts them there, beside those of other kernels. As root, after
 * scripts/build-bpf.sh.
 * For another kernel: `scripts/kernel-vm 6.1 -- node scripts/measure-verifier.ts --few >FILE`, then `node scripts/measure-verifier.ts
 * --merge FILE`. `--few` measures only the declared configuration and one of any bytes, because emulation is slow.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import {
  builtObjects,
  configurationsOf,
  linkKinds,
  verifiedInstructions,
} from '../test/contract/verifier-configurations.ts';

/** Object → program → kernel → instructions. */
type Measured = Record<string, Record<string, Record<string, number>>>;

const table = new URL('../test/contract/verifier-measured.json', import.meta.url);

const fewOf = (label: string) => label === 'as declared' || label.includes('every byte');

async function measure(few: boolean): Promise<Measured> {
  const kernel = release().split('.').slice(0, 2).join('.');
  const measured: Measured = {};
  for (const object of builtObjects()) {
    const most = new Map<string, number>();
    for (const link of linkKinds(object)) {
      for (const configuration of configurationsOf(object, link).filter(({ label }) => !few || fewOf(label))) {
        for (const [program, instructions] of await verifiedInstructions(object, configuration)) {
          most.set(program, Math.max(instructions, most.get(program) ?? 0));
        }
      }
    }
    measured[object] = Object.fromEntries(
      [...most].map(([program, instructions]) => [program, { [kernel]: instructions }]),
    );
  }
  return measured;
}

/** Keeps the other kernels' numbers for objects and programs that still exist. */
function merge(before: Measured, now: Measured): Measured {
  const merged = Object.entries(now).map(([object, programs]) => {
    const kept = Object.keys(programs).length > 0 ? programs : (before[object] ?? {});
    const all = Object.entries(kept).map(([program, kernels]) => [
      program,
      { ...before[object]?.[program], ...kernels },
    ]);
    return [object, Object.fromEntries(all)];
  });
  return Object.fromEntries(merged);
}

const read = (from: string | URL): Measured => JSON.parse(readFileSync(from, 'utf8'));
const print = (measured: Measured) => `${JSON.stringify(measured, null, 2)}\n`;

const [option, file] = process.argv.slice(2);
const now = option === '--merge' ? read(file!) : await measure(option === '--few');
if (option === '--write' || option === '--merge') writeFileSync(table, print(merge(read(table), now)));
else process.stdout.write(print(now));
