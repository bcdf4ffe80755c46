import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDynamic } from '../../src/discovery/elf/dynamic.ts';
import { openElfImage } from '../../src/discovery/elf/image.ts';
import { relativeRelocations } from '../../src/discovery/elf/relocations.ts';
import { findModuleData } from '../../src/discovery/go/moduledata.ts';
import { pclntabCandidates } from '../../src/discovery/go/pclntab.ts';

/** A part of a file where a changed byte changes what the readers do. */
export interface Region {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly regions: readonly Region[];
}

const goSource = `package main
import "context"
type cart struct { context.Context; labels map[string][]string; owner *cart }
func main() { println(any(&cart{context.TODO(), map[string][]string{}, nil}) != nil) }
`;
const cSource = `#include <stdio.h>
int helper(int x) { return x + 1; }
int main(void) { printf("%d\\n", helper(1)); return 0; }
`;

const usdtSource = `#define _SDT_HAS_SEMAPHORES
#include <sys/sdt.h>
__extension__ unsigned short fuzz_one_semaphore __attribute__((section(".probes")));
__extension__ unsigned short fuzz_two_semaphore __attribute__((section(".probes")));
static int table[4];
int main(int argc, char **argv) {
  STAP_PROBE3(fuzz, one, argc, argv[0], table[argc & 3]++);
  STAP_PROBE2(fuzz, two, 5, table[2]);
  return 0;
}
`;

/** Small real programs, built here: a few KB of C, one with USDT probes, and Go as an executable and a PIE, with and without symbols. */
export function buildCorpus(): Seed[] {
  const dir = mkdtempSync(join(tmpdir(), 'uspan-fuzz-'));
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: '0' },
    });
  try {
    writeFileSync(join(dir, 'go.mod'), 'module example.com/fuzz\n\ngo 1.21\n');
    writeFileSync(join(dir, 'main.go'), goSource);
    writeFileSync(join(dir, 'main.c'), cSource);
    writeFileSync(join(dir, 'usdt.c'), usdtSource);
    run('gcc', '-O1', '-o', 'c', 'main.c');
    run('gcc', '-O1', '-shared', '-fPIC', '-s', '-o', 'c-stripped.so', 'main.c');
    run('gcc', '-O1', '-o', 'c-usdt', 'usdt.c');
    run('go', 'build', '-buildvcs=false', '-ldflags=-w', '-o', 'go', 'main.go');
    run('go', 'build', '-buildvcs=false', '-ldflags=-s -w', '-buildmode=pie', '-o', 'go-stripped-pie', 'main.go');
    return ['c', 'c-stripped.so', 'c-usdt', 'go', 'go-stripped-pie'].map((name) => {
      const bytes = new Uint8Array(readFileSync(join(dir, name)));
      return { name, bytes, regions: regionsOf(bytes) };
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function regionsOf(bytes: Uint8Array): Region[] {
  const image = openElfImage(bytes, 'corpus');
  const regions: Region[] = [{ name: 'headers', offset: 0, sizeBytes: 64 + image.segments.length * 56 }];
  const view = image.view;
  const sectionTable = Number(view.getBigUint64(40, true));
  const sectionBytes = view.getUint16(60, true) * 64;
  if (sectionTable) regions.push({ name: 'section headers', offset: sectionTable, sizeBytes: sectionBytes });
  for (const { name, type, offset, sizeBytes } of image.sections) {
    const read = ['symtab', 'dynsym', 'strtab', 'note', 'dynamic', 'rela'].includes(String(type));
    if ((read || name === '.go.buildinfo') && sizeBytes > 0) regions.push({ name, offset, sizeBytes });
  }
  const module = findModuleData(image, relativeRelocations(image, readDynamic(image)), pclntabCandidates(image), false);
  if (module) {
    const add = (name: string, address: number, sizeBytes: number) =>
      regions.push({ name, offset: image.offsetOf(address, sizeBytes), sizeBytes });
    add('pclntab header', module.pclntab.address, 72);
    add('function table', module.functionTable.start, module.functionTable.end - module.functionTable.start);
    add('function names', module.functionNames.address, module.functionNames.length);
    add('moduledata', module.address, 512);
    add('types', module.types.start, module.types.end - module.types.start);
  }
  return regions;
}
