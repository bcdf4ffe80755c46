import { release } from 'node:os';
import { libbpfVersion } from '../probes/attach/features.ts';
import { type Requirement, requirements } from '../probes/attach/requirements.ts';
import { coloursOf } from '../settings/colours.ts';
import { agentVersion } from './agent-version.ts';
import { exitCodes } from './exit-codes.ts';
import type { DoctorOptions } from './flags.ts';
import { stdout } from './stdout.ts';

const colours = coloursOf(stdout);

/** `uspan doctor`: tries everything that uspan needs of this host. */
export function doctor(options: DoctorOptions): number {
  const all = requirements();
  const fit = all.every(({ met, required }) => met !== false || !required);
  const versions = { uspan: agentVersion(), node: process.version, libbpf: libbpfVersion(), kernel: release() };
  if (options.json) {
    stdout.printJson({ fit, versions, requirements: all });
  } else {
    const { uspan, node, libbpf, kernel } = versions;
    stdout.printLines([
      `uspan ${uspan}, Node.js ${node}, libbpf ${libbpf}, Linux ${kernel}`,
      ...all.flatMap(lines),
      fit ? 'This host can run uspan.' : 'This host cannot run uspan: see the lines marked ✗.',
    ]);
  }
  return fit ? exitCodes.ok : exitCodes.kernel;
}

function lines({ name, met, required, detail, fix }: Requirement): string[] {
  const mark = met ? colours.green('✓') : met === false && required ? colours.red('✗') : colours.yellow('–');
  const help = met === false && required ? [`  ${' '.repeat(24)} ${fix}`] : [];
  return [`${mark} ${name.padEnd(24)} ${colours.dim(detail)}`.trimEnd(), ...help];
}
