/** Whether a test leaves links, programs or maps in the kernel. bpftool is the independent witness. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';

const kinds = ['link', 'prog', 'map'] as const;

export interface KernelWatch {
  /** Resolves when everything made since the watch began is gone. Rejects at the deadline with a list of what is left. */
  assertNothingLeft(deadlineMs?: number): Promise<void>;
}

/**
 * Begins watching. What other processes hold is theirs (tests may share the machine with an agent). What this process holds, or no process,
 * is a leftover. The kernel frees lazily, hence the deadline.
 */
export function watchKernel(): KernelWatch {
  const before = new Set(listKernelObjects().keys());
  const leftovers = () => {
    const held = heldByOthers();
    return [...listKernelObjects()]
      .filter(([id]) => !before.has(id) && !held.has(id))
      .map(([id, name]) => `${id} ${name}`);
  };
  return {
    async assertNothingLeft(deadlineMs = 10_000) {
      const deadline = Date.now() + deadlineMs;
      let left = leftovers();
      while (left.length > 0 && Date.now() < deadline) {
        await sleep(50);
        left = leftovers();
      }
      if (left.length > 0) throw new Error(`left in the kernel: ${left.join(', ')}`);
    },
  };
}

/** Makes the tests of this `describe` fail if they leave anything in the kernel. */
export function leavesNothingInKernel(deadlineMs?: number): void {
  let watch: KernelWatch;
  beforeAll(() => {
    watch = watchKernel();
  });
  afterAll(() => watch.assertNothingLeft(deadlineMs));
}

/** All links, programs and maps, as "prog 12" → name. Needs root. */
export function listKernelObjects(): Map<string, string> {
  const objects = new Map<string, string>();
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
  for (const kind of kinds) {
    const shown: { id: number; name?: string; type?: string }[] = JSON.parse(
      execFileSync('bpftool', ['-j', kind, 'show'], { env, maxBuffer: 64 << 20 }).toString(),
    );
    for (const { id, name, type } of shown) objects.set(`${kind} ${id}`, name ?? type ?? '');
  }
  return objects;
}

/** From the descriptors of every other process: fdinfo of a BPF descriptor names the object's id. */
function heldByOthers(): Set<string> {
  const held = new Set<string>();
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue;
    for (const text of descriptorInfos(pid)) {
      for (const [, kind, id] of text.matchAll(/^(link|prog|map)_id:\t(\d+)$/gm)) held.add(`${kind} ${id}`);
    }
  }
  return held;
}

/** The process, or one of its descriptors, may go at any moment. */
function* descriptorInfos(pid: string): Generator<string> {
  let fds: string[] = [];
  try {
    fds = readdirSync(`/proc/${pid}/fdinfo`);
  } catch {}
  for (const fd of fds) {
    try {
      yield readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    } catch {}
  }
}
