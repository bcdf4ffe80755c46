import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { release } from 'node:os';
import colours from 'picocolors';
import { agentVersion } from '../config/version.ts';
import { capabilities, kernelFeatures, libbpfVersion } from '../probes/attach/features.ts';
import { exitCodes } from './exit-codes.ts';
import type { DoctorOptions } from './flags.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly required: boolean;
  readonly detail: string;
}

/** `uspan doctor`: tries everything uspan needs of this host. */
export function doctor(options: DoctorOptions): number {
  const checks = [...machineChecks(), ...capabilityChecks(), ...kernelChecks()];
  const fit = checks.every(({ ok, required }) => ok || !required);
  if (options.json) {
    const versions = { uspan: agentVersion(), node: process.version, libbpf: libbpfVersion(), kernel: release() };
    process.stdout.write(`${JSON.stringify({ fit, versions, checks }, null, 2)}\n`);
  } else {
    process.stdout.write(
      `uspan ${agentVersion()}, Node.js ${process.version}, libbpf ${libbpfVersion()}, Linux ${release()}\n`,
    );
    for (const check of checks) process.stdout.write(`${line(check)}\n`);
    process.stdout.write(fit ? 'This host can run uspan.\n' : 'This host cannot run uspan: see the lines marked ✗.\n');
  }
  return fit ? exitCodes.ok : exitCodes.kernel;
}

function line({ name, ok, required, detail }: Check): string {
  const mark = ok ? colours.green('✓') : required ? colours.red('✗') : colours.yellow('–');
  return `${mark} ${name.padEnd(24)} ${ok ? colours.dim(detail) : detail}`.trimEnd();
}

function machineChecks(): Check[] {
  return [
    {
      name: 'x86-64',
      ok: process.arch === 'x64',
      required: true,
      detail: process.arch === 'x64' ? '' : `${process.arch} is written for but not tested: no probes are placed`,
    },
    pidNamespaceCheck(),
    lockdownCheck(),
  ];
}

/** The kernel reports pids of the initial namespace; PROC_PID_INIT_INO of include/linux/proc_ns.h is its inode. */
function pidNamespaceCheck(): Check {
  const own = readlinkSync('/proc/self/ns/pid');
  const initial = own === 'pid:[4026531836]';
  return {
    name: 'initial pid namespace',
    ok: initial,
    required: true,
    detail: initial ? '' : `${own}: run it in the host's (docker --pid=host, hostPID: true)`,
  };
}

function lockdownCheck(): Check {
  const path = '/sys/kernel/security/lockdown';
  const mode = existsSync(path) ? /\[(\w+)\]/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
  const confidential = mode === 'confidentiality';
  return {
    name: 'kernel lockdown',
    ok: !confidential,
    required: true,
    detail: confidential
      ? 'confidentiality: BPF may not read memory; use integrity or none'
      : `${mode ?? 'unknown (securityfs is not mounted)'}; uspan writes no memory, so integrity is fine`,
  };
}

function capabilityChecks(): Check[] {
  return capabilities().map(({ name, required, purpose, effective }) => {
    return { name: `CAP_${name}`, ok: effective, required, detail: purpose };
  });
}

function kernelChecks(): Check[] {
  return kernelFeatures().map(({ name, required, supported, detail, without }) => {
    return { name, ok: supported, required, detail: supported ? '' : `${without} (${detail})` };
  });
}
