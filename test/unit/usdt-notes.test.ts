import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UsdtNote } from '../../src/contract/binary.ts';
import { openElfImage } from '../../src/discovery/elf/image.ts';
import { readUsdtNotes } from '../../src/discovery/usdt/notes.ts';

const source = `#define _SDT_HAS_SEMAPHORES
#include <sys/sdt.h>
__extension__ unsigned short shop_open_semaphore __attribute__((section(".probes")));
__extension__ unsigned short shop_close_semaphore __attribute__((section(".probes")));
static int table[16];
int prices[16];
int main(int argc, char **argv) {
  double half = argc / 2.0;
  STAP_PROBE4(shop, open, argc, argv[argc], table[argc & 15]++, half);
  for (int i = 0; i < argc; i++) STAP_PROBE2(shop, close, prices[3], i);
  return 0;
}
`;

const root = resolve(import.meta.dirname, '../..');
/** The clang that compiles our BPF, under any name. */
const clang = execFileSync('bash', ['-c', '. scripts/lib.sh; find_clang'], { cwd: root }).toString().trim();
const compilers = { gcc: 'gcc', clang };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-usdt-'));
  writeFileSync(join(directory, 'main.c'), source);
  for (const [name, compiler] of Object.entries(compilers)) {
    const flags = (kind: string) => ['-O2', '-o', join(directory, `${name}-${kind}`), join(directory, 'main.c')];
    execFileSync(compiler, ['-pie', '-fPIE', ...flags('pie')]);
    execFileSync(compiler, ['-no-pie', '-fno-pie', ...flags('fixed')]);
    execFileSync(compiler, ['-shared', '-fPIC', ...flags('shared.so')]);
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

const built = Object.keys(compilers).flatMap((name) => ['pie', 'fixed', 'shared.so'].map((kind) => `${name}-${kind}`));
/** Files of a Debian with the packages of our tests. Files of other packages are tested if they are there. */
const installed = [
  '/usr/bin/python3.11',
  '/usr/lib/postgresql/15/bin/postgres',
  '/usr/lib/x86_64-linux-gnu/libstdc++.so.6',
  ...globSync('/usr/lib/jvm/*/lib/server/libjvm.so'),
  ...globSync('/usr/lib/x86_64-linux-gnu/libruby-*.so'),
].filter((path) => existsSync(path));

function read(path: string) {
  return readUsdtNotes(openElfImage(new Uint8Array(readFileSync(path)), path));
}

/** `readelf -n`, note by note. */
function byReadelf(path: string) {
  const text = execFileSync('readelf', ['-nW', path], { maxBuffer: 64 << 20 }).toString('latin1');
  const pattern =
    /Provider: (.*)\n +Name: (.*)\n +Location: (0x\w+), Base: (0x\w+), Semaphore: (0x\w+)\n +Arguments: ?(.*)\n/g;
  return [...text.matchAll(pattern)].map(([, provider, name, location, base, semaphore, argumentText]) => ({
    provider,
    name,
    address: Number(location),
    base: Number(base),
    semaphore: Number(semaphore),
    argumentText,
  }));
}

function summary({ provider, name, address, semaphore, argumentText }: UsdtNote) {
  return { provider, name, address, semaphore: semaphore?.address ?? 0, argumentText };
}

describe.each([...built.map((name) => ({ name })), ...installed.map((name) => ({ name }))])('$name', ({ name }) => {
  const path = () => (name.startsWith('/') ? name : join(directory, name));

  test('is read as readelf reads it', () => {
    const { notes, malformed } = read(path());
    const expected = byReadelf(path());
    expect(expected.length).toBeGreaterThan(1);
    expect(malformed).toBe(0);
    // None of these was prelinked, so their bases are where they were linked.
    expect(notes.map(summary)).toEqual(expected.map(({ base: _, ...note }) => note));
  });

  test('every site is a nop in the file, every semaphore is zero, every argument can be read', () => {
    const bytes = readFileSync(path());
    for (const note of read(path()).notes) {
      expect(bytes[note.fileOffset]).toBe(0x90);
      if (note.semaphore) expect(bytes.readUInt16LE(note.semaphore.fileOffset)).toBe(0);
      expect(note.arguments.filter(({ readable }) => !readable)).toEqual([]);
    }
  });
});

describe('what happens to a file', () => {
  const image = (change: (bytes: Buffer, notes: Buffer, sections: ReturnType<typeof sectionsOf>) => void) => {
    const path = join(directory, 'gcc-pie');
    const bytes = readFileSync(path);
    const sections = sectionsOf(bytes);
    const { offset, sizeBytes } = sections.find(({ name }) => name === '.note.stapsdt')!;
    change(bytes, bytes.subarray(offset, offset + sizeBytes), sections);
    return readUsdtNotes(openElfImage(new Uint8Array(bytes), path));
  };
  const original = () => image(() => {}).notes;
  /** Owner, size and type, then the owner's name. */
  const descAt = 12 + 8;

  test('prelink: sites and semaphores move with the base', () => {
    const moved = image((_bytes, notes) => {
      for (const at of [0, 8, 16]) {
        const value = notes.readBigUInt64LE(descAt + at);
        notes.writeBigUInt64LE(value - 0x10_0000n + 0x20_0000n, descAt + at);
      }
    });
    expect(moved.malformed).toBe(0);
    expect(moved.notes.map(summary)).toEqual(original().map(summary));
    expect(moved.notes.map(({ fileOffset }) => fileOffset)).toEqual(original().map(({ fileOffset }) => fileOffset));
  });

  test('no base in the note: nothing moves', () => {
    const { notes } = image((_bytes, area) => area.writeBigUInt64LE(0n, descAt + 8));
    expect(notes.map(summary)).toEqual(original().map(summary));
  });

  test.each<[string, (notes: Buffer, dataAddress: number) => void]>([
    ['a site in the data', (notes, dataAddress) => notes.writeBigUInt64LE(BigInt(dataAddress), descAt)],
    ['a site beyond 2^53', (notes) => notes.writeBigUInt64LE(2n ** 63n, descAt)],
    ['a semaphore in the code', (notes) => notes.copy(notes, descAt + 16, descAt, descAt + 8)],
    ['a semaphore nowhere', (notes) => notes.writeBigUInt64LE(0x7000_0000n, descAt + 16)],
    ['no name', (notes) => notes.fill(0, descAt + 24 + 'shop\0'.length, descAt + 24 + 'shop\0open'.length)],
    [
      'no end of its arguments',
      (notes) => notes.fill(0x20, descAt + 24 + 'shop\0open\0'.length, descAt + notes.readUInt32LE(4)),
    ],
  ])('%s: that note alone is left out', (_what, change) => {
    const { notes, malformed } = image((_bytes, area, sections) => {
      change(area, sections.find(({ name }) => name === '.data')!.address);
    });
    expect(malformed).toBe(1);
    expect(notes.map(summary)).toEqual(original().slice(1).map(summary));
  });

  test('a note of another type or owner is none of ours', () => {
    for (const [at, value] of [
      [8, 4],
      [12, 0x58],
    ] as const) {
      const { notes, malformed } = image((_bytes, area) => area.writeUInt8(value, at));
      expect([notes.length, malformed]).toEqual([original().length - 1, 0]);
    }
  });

  test('a note that reaches past its section ends the reading', () => {
    const { notes } = image((_bytes, area) => area.writeUInt32LE(0xffff_0000, 4));
    expect(notes).toEqual([]);
  });

  function sectionsOf(bytes: Buffer) {
    return openElfImage(new Uint8Array(bytes), 'test').sections;
  }
});

test('static variables of one name in two sources are nobody', () => {
  const path = join(directory, 'twice');
  // Compilers pass these in registers. An operand that names the variable has to be written by hand.
  const asm = (name: string) =>
    `static volatile int state; void ${name}(void) { state++; __asm__ volatile("990: nop\\n.pushsection .note.stapsdt,\\"\\",\\"note\\"\\n.balign 4\\n.4byte 2f-1f,4f-3f,3\\n1: .asciz \\"stapsdt\\"\\n2: .balign 4\\n3: .8byte 990b,0,0\\n.asciz \\"shop\\"\\n.asciz \\"${name}\\"\\n.asciz \\"-4@state(%rip) -4@main(%rip) 4@%eax\\"\\n4: .balign 4\\n.popsection"); }\n`;
  writeFileSync(join(directory, 'a.c'), `${asm('first')}int main(void) { first(); return 0; }\n`);
  writeFileSync(join(directory, 'b.c'), asm('second'));
  execFileSync('gcc', ['-O1', '-o', path, join(directory, 'a.c'), join(directory, 'b.c')]);
  for (const { arguments: all } of read(path).notes) {
    expect(all.map(({ readable }) => readable)).toEqual([false, false, true]);
    expect(all[0]).toMatchObject({ why: expect.stringContaining('more than once') });
  }
  expect(read(path).notes).toHaveLength(2);
});

describe('semaphores that the kernel miscounts in processes that start while a probe is there', () => {
  test.each([
    ['bfd', [], false],
    ['gold', [], false],
    ['lld', [], true],
    ['mold', [], true],
    ['lld', ['-Wl,-z,separate-loadable-segments'], false],
    ['mold', ['-Wl,-z,separate-loadable-segments'], false],
  ] as const)('%s %j: %s', (linker, flags, expected) => {
    const path = join(directory, `${linker}${flags.length}`);
    execFileSync('gcc', ['-O2', `-fuse-ld=${linker}`, ...flags, '-o', path, join(directory, 'main.c')]);
    const semaphores = read(path).notes.map(({ semaphore }) => semaphore?.startsMiscounted);
    expect(semaphores.length).toBeGreaterThan(1);
    expect(new Set(semaphores)).toEqual(new Set([expected]));
  });
});
