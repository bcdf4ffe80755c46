import { readdirSync, readFileSync } from 'node:fs';
import { runProcess } from '../../test/support/process.ts';

/** What the kernel says of a loaded program. Times count only while statistics are on. */
export interface BpfProgram {
  readonly id: number;
  readonly name: string;
  readonly runCount: number;
  readonly runTimeNs: number;
  readonly mapIds: readonly number[];
}

/** Where a program is attached. */
export interface BpfSite {
  readonly path: string;
  readonly fileOffset: number;
  /** Of the semaphore; 0: none. */
  readonly refCtrOffset: number;
}

/** Fails with the command that installs bpftool, if it is missing. */
export async function requireBpftool(): Promise<void> {
  await runProcess('bpftool', ['version']).catch((cause: unknown) => {
    throw new Error('bpftool is missing. Install it: sudo apt-get install bpftool', { cause });
  });
}

/** The uprobe programs that a process holds. */
export async function uprobePrograms(pid: number): Promise<BpfProgram[]> {
  const ids = new Set(fdinfoNumbers(pid, 'prog_id').map(({ prog_id }) => prog_id));
  const all = (await bpftool('prog', 'show')) as readonly {
    readonly id: number;
    readonly type: string;
    readonly name?: string;
    readonly run_cnt?: number;
    readonly run_time_ns?: number;
    readonly map_ids?: readonly number[];
  }[];
  return all
    .filter(({ id, type }) => ids.has(id) && type === 'kprobe')
    .map((program) => ({
      id: program.id,
      name: program.name ?? String(program.id),
      runCount: program.run_cnt ?? 0,
      runTimeNs: program.run_time_ns ?? 0,
      mapIds: program.map_ids ?? [],
    }));
}

/** Every site where a process has attached programs by uprobe_multi, from fdinfo of its links (since Linux 6.16). */
export function attachedSites(pid: number): BpfSite[] {
  return fdinfos(pid)
    .filter((text) => /^link_type:\s+uprobe_multi$/m.test(text))
    .flatMap((text) => {
      const path = /^path:\s+(.*)$/m.exec(text)?.[1] ?? '';
      return [...text.matchAll(/^\d+\t ?0x([0-9a-f]+)\t ?0x([0-9a-f]+)$/gm)].map(([, offset, refCtr]) => ({
        path,
        fileOffset: Number.parseInt(offset!, 16),
        refCtrOffset: Number.parseInt(refCtr!, 16),
      }));
    });
}

/** The first u64 of the section's map that one of these programs uses, by its name (`.data.reads`). Undefined: none has it. */
export async function firstWord(program: BpfProgram, section: string): Promise<number | undefined> {
  const maps = (await bpftool('map', 'show')) as readonly { readonly id: number; readonly name?: string }[];
  const map = maps.find(({ id, name }) => name === section && program.mapIds.includes(id));
  if (!map) return undefined;
  const [entry] = (await bpftool('map', 'dump', 'id', String(map.id))) as [{ readonly value: readonly string[] }];
  return Number(Buffer.from(entry.value.map(Number)).readBigUInt64LE(0));
}

/** Bytes of kernel memory of all BPF maps that a process holds (`memlock` of fdinfo, which is what bpftool calls bytes_memlock). */
export function mapMemory(pid: number): { readonly maps: number; readonly bytes: number } {
  const byId = new Map(fdinfoNumbers(pid, 'map_id').map((map) => [map.map_id, map.memlock ?? 0]));
  return { maps: byId.size, bytes: [...byId.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

/** The numbers in /proc/PID/fdinfo/FD (proc(5)) of each descriptor that has one of this name. */
function fdinfoNumbers(pid: number, name: string): Record<string, number>[] {
  return fdinfos(pid)
    .filter((text) => text.includes(`\n${name}:`))
    .map((text) => Object.fromEntries([...text.matchAll(/^(\w+):\s+(\d+)$/gm)].map(([, key, n]) => [key, Number(n)])));
}

function fdinfos(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fdinfo`).map((fd) => readIfThere(`/proc/${pid}/fdinfo/${fd}`));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // closed since
  }
}

async function bpftool(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runProcess('bpftool', [...args, '-j']);
  if (code !== 0) throw new Error(`bpftool ${args.join(' ')} failed: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
