import { globSync } from 'node:fs';
import { copyFile, cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runProcess } from '../../test/support/process.ts';

const root = join(import.meta.dirname, '..', '..');
const copy = join(root, 'build', 'bench', 'counting');

/**
 * A copy of the built agent whose BPF programs count their reads of user memory (bench/bpf/count_reads.h). The agent looks for its objects
 * beside its own files, so the copy is whole. The original stays as it is.
 * @returns the path of its `bin/uspan`
 */
export async function buildCountingAgent(): Promise<string> {
  for (const name of ['bin', 'dist', 'native/build/Release']) {
    await rm(join(copy, name), { recursive: true, force: true });
  }
  await mkdir(join(copy, 'sources'), { recursive: true });
  await mkdir(join(copy, 'native', 'build', 'Release'), { recursive: true });
  for (const name of ['bin', 'dist']) await cp(join(root, name), join(copy, name), { recursive: true });
  for (const file of ['native/build/Release/uspan.node', 'package.json'])
    await copyFile(join(root, file), join(copy, file));
  for (const name of ['node_modules', '.toolchain']) {
    await rm(join(copy, name), { force: true });
    await symlink(join(root, name), join(copy, name));
  }
  for (const source of globSync('{*,*/*}.bpf.c', { cwd: join(root, 'bpf') })) {
    const wrapped = join(copy, 'sources', basename(source));
    // Both are found from bpf/, where the compiler looks for included files.
    await writeFile(wrapped, `#include "../bench/bpf/count_reads.h"\n#include "../bpf/${source}"\n`);
    const object = join(copy, 'build', 'bpf', basename(source).replace(/\.c$/, '.o'));
    const { code, stderr } = await runProcess('scripts/build-bpf.sh', [wrapped, object], { cwd: root });
    if (code !== 0) throw new Error(`${source} does not build with its reads counted: ${stderr}`);
  }
  return join(copy, 'bin', 'uspan');
}
