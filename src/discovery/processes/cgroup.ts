import { readProcFile } from './proc-file.ts';

/** What the control group of a process says about its container, pod or unit. */
export interface Supervision {
  /** 64 hexadecimal digits, of any runtime: Docker, containerd, CRI-O, Podman. */
  readonly containerId: string | undefined;
  /** Kubernetes' own id of the pod, as a UUID (static pods: 32 digits). */
  readonly podUid: string | undefined;
  /** The systemd system service without its suffix, e.g. `nginx` or `shop@eu`. It is never a user's session. */
  readonly unit: string | undefined;
}

const maxCgroupBytes = 64 * 1024;
const maxMountinfoBytes = 1024 * 1024;

/** Reads /proc/PID/cgroup. If that shows no container (its own cgroup namespace), reads /proc/PID/mountinfo. */
export function readSupervision(pid: number): Supervision {
  const found = parseCgroup(readProcFile(`/proc/${pid}/cgroup`, maxCgroupBytes)?.toString('utf8') ?? '');
  if (found.containerId || found.unit) return found;
  const mountinfo = readProcFile(`/proc/${pid}/mountinfo`, maxMountinfoBytes)?.toString('utf8') ?? '';
  return { ...found, containerId: containerIdOfMounts(mountinfo) };
}

/** Parses /proc/PID/cgroup, version 1 and 2 (cgroups(7)): lines of `hierarchy:controllers:path`. */
export function parseCgroup(text: string): Supervision {
  const paths = text.split('\n').map((line) => line.split(':').slice(2).join(':'));
  const first = (find: (path: string) => string | undefined) => paths.map(find).find((found) => found !== undefined);
  const containerId = first(containerIdOf);
  return {
    containerId,
    podUid: first(
      (path) => /[/-]pod([0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})\b/.exec(path)?.[1],
    )?.replaceAll('_', '-'),
    unit: containerId ? undefined : first(systemUnitOf),
  };
}

/** The innermost: `/docker/ID`, `…/cri-containerd-ID.scope`, `…/kubepods/burstable/podUID/ID`, `…/libpod-ID.scope/container`. */
function containerIdOf(path: string): string | undefined {
  return [...path.matchAll(/(?:^|[/:-])([0-9a-f]{64})(?=$|[/.])/g)].at(-1)?.[1];
}

/** Docker and Podman mount a container's /etc/hostname and similar files from a directory that has its id. */
export function containerIdOfMounts(mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    // Fields 4 and 5 of proc_pid_mountinfo(5): which part of the other file system is mounted, and where.
    const [, , , root = '', where = ''] = line.split(' ');
    if (!/^\/etc\/(hostname|hosts|resolv\.conf)$/.test(where)) continue;
    const id = /containers\/([0-9a-f]{64})\//.exec(root)?.[1];
    if (id) return id;
  }
  return undefined;
}

function systemUnitOf(path: string): string | undefined {
  const slices = path.split('/');
  if (slices.includes('user.slice')) return undefined;
  const unit = slices.findLast((slice) => slice.endsWith('.service'))?.slice(0, -'.service'.length);
  // systemd.unit(5): a unit's name escapes characters that it cannot hold as \xHH.
  return unit?.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
