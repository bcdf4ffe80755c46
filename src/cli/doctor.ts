import { release } from 'node:os';
import { libbpfVersion } from '../probes/attach/features.ts';
import { type Requirement, requirements } from '../probes/attach/requirements.ts';
import { coloursOf } from '../settings/colours.ts';
import { agentVersion } from './agent-version.ts';
import { exitCodes } from './exit-codes.ts';
import type { DoctorOptions } from './flags.ts';

const colours = coloursOf(process.stdout);

/** `uspan doctor`: tries everything that uspan needs of this host. */
export function doctor(options: DoctorOptions): number {
  const all = requirements();
  const fit = all.every(({ met, required }) => met !== false || !required);
  const versions = { uspan: agentVersion(), node: process.version, libbpf: libbpfVersion(), kernel: release() };
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ fit, versions, requirements: all }, null, 2)}\n`);
  } else {
    const { uspan, node, libbpf, kernel } = versions;
    process.stdout.write(`uspan ${uspan}, Node.js ${node}, libbpf ${libbpf}, Linux ${kernel}\n`);
    process.stdout.write(`${all.map(line).join('\n')}\n`);
    process.stdout.write(fit ? 'This host can run uspan.\n' : 'This host cannot run uspan: see the lines marked ✗.\n');
  }
  return fit ? exitCodes.ok : exitCodes.kernel;
}

function line({ name, met, required, detail, fix }: Requirement): string {
  const mark = met ? colours.green('✓') : met === false && required ? colours.red('✗') : colours.yellow('–');
  const help = met === false && required ? `\n  ${' '.repeat(24)} ${fix}` : '';
  return `${mark} ${name.padEnd(24)} ${colours.dim(detail)}`.trimEnd() + help;
}
