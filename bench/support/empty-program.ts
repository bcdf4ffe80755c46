import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '../../src/native.ts';
import { runProcess } from '../../test/support/process.ts';
import type { BpfSite } from './bpftool.ts';

const root = join(import.meta.dirname, '..', '..');
const object = join(root, 'build', 'bench', 'empty.bpf.o');

/** A program that does nothing, attached. */
export interface EmptyProgram {
  /** While statistics are on. */
  ran(): { readonly runCount: number; readonly runTimeNs: number };
  detach(): Promise<void>;
}

/** Attaches it at all these places of one file. */
export async function attachEmptyProgram(sites: readonly BpfSite[]): Promise<EmptyProgram> {
  const { code, stderr } = await runProcess('scripts/build-bpf.sh', ['bench/bpf/empty.bpf.c', object], { cwd: root });
  if (code !== 0) throw new Error(`the empty program does not build: ${stderr}`);
  const native = loadNative();
  const uprobeMulti = native.probeFeature('uprobeMulti').supported;
  const opened = native.openObject({ object: readFileSync(object), name: 'empty', uprobeMulti });
  const links = [...Map.groupBy(sites, ({ path }) => path)].map(([path, its]) =>
    opened.attachUprobes({
      program: 'empty',
      path,
      offsets: BigUint64Array.from(its, ({ fileOffset }) => BigInt(fileOffset)),
      cookies: new BigUint64Array(its.length),
      refCtrOffsets: BigUint64Array.from(its, ({ refCtrOffset }) => BigInt(refCtrOffset)),
    }),
  );
  return {
    ran: () => {
      const [program] = opened.programs();
      return { runCount: Number(program!.runCount), runTimeNs: Number(program!.runTimeNs) };
    },
    detach: async () => {
      await Promise.all(links.map((link) => link.close()));
      await opened.close();
    },
  };
}
