import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import type { ErrorCode } from '../../contract/errors.ts';
import { loadNative } from '../../native.ts';
import { kernelFeatures } from './features.ts';

/** Something that uspan needs of this host, tried. */
export interface Requirement {
  readonly name: string;
  /** Undefined: unknown without the capabilities. */
  readonly met: boolean | undefined;
  /** `run` does not start without it. Without the others, it goes on with less. */
  readonly required: boolean;
  /** What it is for, or what is missing. */
  readonly detail: string;
  /** The error that `run` ends with. */
  readonly code: ErrorCode;
  readonly fix: string;
}

/** Everything, in the order in which a user would mend it. */
export function requirements(): Requirement[] {
  const needed = rights();
  const permitted = needed.every(({ met, required }) => met || !required);
  return [machine(), ...needed, pidNamespace(), lockdown(), ...features(permitted)];
}

/** What a process may do. Without it, files of others look unreadable, and kernel features look missing. */
export function rights(): Requirement[] {
  return [...capabilityRequirements(), userNamespace()];
}

function machine(): Requirement {
  const met = process.arch === 'x64';
  return {
    name: 'x86-64',
    met,
    required: true,
    detail: met ? '' : `${process.arch}: no probes are placed on it yet`,
    code: 'E_KERNEL_FEATURE',
    fix: 'Run uspan on x86-64',
  };
}

/** SYS_ADMIN includes BPF and PERFMON: capabilities(7). */
function capabilityRequirements(): Requirement[] {
  const effective = new Set(loadNative().capabilities());
  const has = (...names: string[]) => names.some((name) => effective.has(name));
  const needed = [
    { name: 'BPF', required: true, met: has('BPF', 'SYS_ADMIN'), detail: 'load programs and maps' },
    { name: 'PERFMON', required: true, met: has('PERFMON', 'SYS_ADMIN'), detail: 'attach probes' },
    { name: 'SYS_PTRACE', required: true, met: has('SYS_PTRACE'), detail: "read other users' /proc/PID/exe" },
    {
      name: 'DAC_READ_SEARCH',
      required: false,
      met: has('DAC_READ_SEARCH', 'DAC_OVERRIDE'),
      detail: 'read program files that others may not',
    },
  ];
  return needed.map((capability) => ({
    ...capability,
    name: `CAP_${capability.name}`,
    code: 'E_CAPABILITY',
    fix: 'Run uspan as root, or grant it: setpriv, systemd AmbientCapabilities=, securityContext.capabilities.add',
  }));
}

/**
 * Capabilities of another user namespace are not those that the kernel asks for: bpf() and reading programs of others fail with EPERM. The
 * inode is PROC_USER_INIT_INO of include/linux/proc_ns.h.
 */
function userNamespace(): Requirement {
  const own = readlinkSync('/proc/self/ns/user');
  const met = own === 'user:[4026531837]';
  return {
    name: 'initial user namespace',
    met,
    required: true,
    detail: met ? '' : `${own}: its capabilities do not count`,
    code: 'E_CAPABILITY',
    fix: 'Run uspan as root of the host, not in a rootless container or below unshare --user',
  };
}

/** The kernel reports pids of the initial namespace. Its inode is PROC_PID_INIT_INO of include/linux/proc_ns.h. */
function pidNamespace(): Requirement {
  const own = readlinkSync('/proc/self/ns/pid');
  const met = own === 'pid:[4026531836]';
  return {
    name: 'initial pid namespace',
    met,
    required: true,
    detail: met ? '' : own,
    code: 'E_KERNEL_FEATURE',
    fix: "Run uspan in the host's pid namespace: docker --pid=host, hostPID: true",
  };
}

function lockdown(): Requirement {
  const path = '/sys/kernel/security/lockdown';
  const mode = existsSync(path) ? /\[(\w+)\]/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
  const confidential = mode === 'confidentiality';
  return {
    name: 'kernel lockdown',
    met: mode === undefined ? undefined : !confidential,
    required: confidential,
    detail: mode ?? 'not to be seen: securityfs is not mounted',
    code: 'E_KERNEL_FEATURE',
    fix: 'BPF may not read memory under lockdown=confidentiality; integrity is fine',
  };
}

function features(permitted: boolean): Requirement[] {
  return kernelFeatures().map(({ name, required, without, supported, detail }) => ({
    name,
    met: supported || (permitted ? false : undefined),
    required,
    detail: supported
      ? ''
      : permitted
        ? `${without} (${detail})`
        : `not to be tried without the capabilities (${detail})`,
    code: name === 'btf' ? 'E_BTF' : 'E_KERNEL_FEATURE',
    fix: 'Linux 5.15 or newer with BTF is needed: uspan doctor shows what this kernel can',
  }));
}
