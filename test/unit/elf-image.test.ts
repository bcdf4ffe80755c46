import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBuildIds } from '../../src/discovery/elf/build-id.ts';
import { readDynamic } from '../../src/discovery/elf/dynamic.ts';
import { type ElfImage, openElfImage } from '../../src/discovery/elf/image.ts';
import { elfNotes } from '../../src/discovery/elf/notes.ts';
import { elfSymbols } from '../../src/discovery/elf/symbols.ts';

const source = `#include <stdio.h>
static __attribute__((noinline)) int inner(int x) { return x * 3; }
__attribute__((noinline)) int exported(int x) { return inner(x) + 1; }
int main(int argc, char **argv) { return printf("%s %d", argv[0], exported(argc)) < 0; }
`;

let dir: string;
const paths: Record<string, string> = {};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'uspan-elf-'));
  writeFileSync(join(dir, 'main.c'), source);
  const compile = (name: string, ...flags: string[]) => {
    paths[name] = join(dir, name);
    execFileSync('gcc', ['-O1', '-Wl,--build-id', ...flags, '-o', paths[name], join(dir, 'main.c')]);
  };
  compile('pie', '-pie', '-fPIE');
  compile('static', '-static');
  compile('fixed', '-no-pie', '-fno-pie');
  compile('shared', '-shared', '-fPIC', '-s');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.each(['pie', 'static', 'fixed', 'shared'])('%s, as readelf reads it', (name) => {
  let image: ElfImage;
  let sectionless: ElfImage;
  beforeAll(() => {
    const bytes = new Uint8Array(readFileSync(paths[name]!));
    image = openElfImage(bytes, paths[name]!);
    const cut = new Uint8Array(bytes);
    cut.fill(0, 40, 48);
    cut.fill(0, 60, 64);
    sectionless = openElfImage(cut, paths[name]!);
  });

  test('load segments, with and without section headers', () => {
    const expected = readelf('-lW', paths[name]!)
      .map((line) => /^\s+LOAD\s+(\w+) (\w+) \w+ (\w+) (\w+) (...)/.exec(line))
      .filter((match) => match !== null)
      .map(([, offset, address, fileBytes, memoryBytes, flags]) => ({
        offset: Number(offset),
        address: Number(address),
        fileBytes: Number(fileBytes),
        memoryBytes: Number(memoryBytes),
        writable: flags![1] === 'W',
        executable: flags![2] === 'E',
      }));
    expect(expected.length).toBeGreaterThan(1);
    expect(image.loads).toMatchObject(expected);
    expect(sectionless.segments).toEqual(image.segments);
    expect(sectionless.sections).toEqual([]);
    expect(image.positionIndependent).toBe(name === 'pie' || name === 'shared');
  });

  test('sections with bytes in the file', () => {
    const expected = readelf('-SW', paths[name]!)
      .map((line) => /^\s+\[\s*(\d+)\] (\S+)\s+(\S+)\s+([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) .* (\d+)$/.exec(line))
      .filter((match) => match !== null && match[3] !== 'NULL' && match[3] !== 'NOBITS')
      .map((match) => ({
        index: Number(match![1]),
        name: match![2],
        address: Number.parseInt(match![4]!, 16),
        offset: Number.parseInt(match![5]!, 16),
        sizeBytes: Number.parseInt(match![6]!, 16),
        alignBytes: Number(match![7]),
      }));
    expect(expected.length).toBeGreaterThan(8);
    expect(image.sections.filter((section) => section.type !== 'undef' && section.type !== 'null')).toMatchObject(
      expected,
    );
  });

  test('notes and the build id, by sections and by segments', () => {
    const text = readelf('-nW', paths[name]!).join('\n');
    const id = /Build ID: ([0-9a-f]+)/.exec(text)![1];
    expect(readBuildIds(image)).toEqual({ gnu: id, go: undefined });
    expect(readBuildIds(sectionless)).toEqual({ gnu: id, go: undefined });
    const owners = [...text.matchAll(/^ {2}(\S+)\s+0x([0-9a-f]{8})/gm)].map(([, owner, size]) => [
      owner,
      Number.parseInt(size!, 16),
    ]);
    expect([...elfNotes(image)].map((note) => [note.name, note.desc.length])).toEqual(owners);
  });

  test('functions of .symtab and .dynsym, by name and by address', () => {
    for (const [source, option] of [
      ['symtab', '-sW'],
      ['dynsym', '--dyn-syms'],
    ] as const) {
      const expected = readelfFunctions(readelf(option, '-W', paths[name]!), source);
      const table = elfSymbols(image, source);
      expect(table?.count ?? 0).toBe(expected.length);
      const names = new Map<string, number[]>();
      for (const symbol of expected) names.set(symbol.name, [...(names.get(symbol.name) ?? []), symbol.address]);
      for (const { name: wanted, address, sizeBytes } of expected) {
        const found = table!.find(wanted)!;
        expect(names.get(wanted)).toContain(found.address);
        expect(found.fileOffset).toBe(image.offsetOf(found.address, 1));
        if (sizeBytes === 0) continue;
        const at = table!.at(address + sizeBytes - 1)!;
        expect(address + sizeBytes - 1 - at.address).toBeLessThan(at.sizeBytes || sizeBytes);
      }
      expect(table?.find('no_such_function')).toBeUndefined();
      expect(table?.at(0)).toBeUndefined();
    }
  });

  test('needed libraries', () => {
    const expected = readelf('-dW', paths[name]!)
      .map((line) => /\(NEEDED\).*\[(.+)\]/.exec(line)?.[1])
      .filter((library) => library !== undefined);
    expect(readDynamic(image).needed).toEqual(expected);
    expect(readDynamic(sectionless).needed).toEqual(expected);
  });
});

test('many lookups in a large table give the same as few', () => {
  const libc = execFileSync('gcc', ['-print-file-name=libc.so.6'], { encoding: 'utf8' }).trim();
  const image = openElfImage(new Uint8Array(readFileSync(libc)), libc);
  const expected = readelfFunctions(readelf('--dyn-syms', '-W', libc), 'dynsym');
  const names = [...new Set(expected.map(({ name }) => name))];
  const often = elfSymbols(image, 'dynsym')!;
  for (const name of names) often.find(name);
  for (const name of names) expect(often.find(name)).toEqual(elfSymbols(image, 'dynsym')!.find(name));
  expect(often.find('printf')?.address).toBe(expected.find(({ name }) => name === 'printf')!.address);
});

describe('a header that cannot be right', () => {
  const damage: [string, (view: DataView) => void, string, RegExp][] = [
    ['magic', (view) => view.setUint8(0, 0x7e), 'E_ELF_FORMAT', /not an ELF file/],
    ['32 bits', (view) => view.setUint8(4, 1), 'E_ELF_UNSUPPORTED', /EI_CLASS 1/],
    ['big endian', (view) => view.setUint8(5, 2), 'E_ELF_UNSUPPORTED', /EI_DATA 2/],
    ['relocatable', (view) => view.setUint16(16, 1, true), 'E_ELF_UNSUPPORTED', /e_type 1/],
    ['machine', (view) => view.setUint16(18, 40, true), 'E_ELF_UNSUPPORTED', /e_machine 40/],
    ['phentsize', (view) => view.setUint16(54, 32, true), 'E_ELF_FORMAT', /e_phentsize 32/],
    ['no programs', (view) => view.setUint16(56, 0, true), 'E_ELF_FORMAT', /e_phnum 0/],
    ['many programs', (view) => view.setUint16(56, 65_535, true), 'E_ELF_FORMAT', /e_phnum 65535/],
    ['phoff', (view) => view.setBigUint64(32, 1n << 40n, true), 'E_ELF_FORMAT', /e_phoff 1099511627776/],
    ['shoff', (view) => view.setBigUint64(40, 1n << 40n, true), 'E_ELF_FORMAT', /truncated: section headers end at/],
    [
      'segment',
      (view) => view.setBigUint64(largestLoad(view) + 32, 1n << 40n, true),
      'E_ELF_FORMAT',
      /p_filesz 1099511627776/,
    ],
  ];
  test.each(damage)('%s is refused', (_, change, code, message) => {
    const bytes = new Uint8Array(readFileSync(paths.pie!));
    change(new DataView(bytes.buffer));
    expect(() => openElfImage(bytes, '/some/file')).toThrow(expect.objectContaining({ code, on: '/some/file' }));
    expect(() => openElfImage(bytes, '/some/file')).toThrow(message);
  });

  test('a file cut short is refused', () => {
    const bytes = new Uint8Array(readFileSync(paths.pie!));
    for (const length of [0, 3, 40, 64, 1000, bytes.length - 1]) {
      expect(() => openElfImage(bytes.subarray(0, length), 'cut')).toThrow(
        expect.objectContaining({ code: 'E_ELF_FORMAT' }),
      );
    }
  });

  test('section names that do not end are no reason to refuse the file', () => {
    const bytes = new Uint8Array(readFileSync(paths.pie!));
    const view = new DataView(bytes.buffer);
    const sections = Number(view.getBigUint64(40, true));
    view.setUint32(sections + 64, 0xffff_fff0, true);
    const image = openElfImage(bytes, 'names');
    expect(image.sections).toEqual([]);
    expect(image.loads.length).toBeGreaterThan(1);
  });
});

/** Position of the program header of the first PT_LOAD. */
function largestLoad(view: DataView): number {
  let at = Number(view.getBigUint64(32, true));
  while (view.getUint32(at, true) !== 1) at += 56;
  return at;
}

function readelf(...args: string[]): string[] {
  return execFileSync('readelf', args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  }).split('\n');
}

/** Defined FUNC and IFUNC symbols of one table. */
function readelfFunctions(lines: string[], source: 'symtab' | 'dynsym') {
  const functions: { name: string; address: number; sizeBytes: number }[] = [];
  let inside = false;
  for (const line of lines) {
    if (line.startsWith('Symbol table')) inside = line.includes(`'.${source}'`);
    const match = /^\s*\d+: ([0-9a-f]{16})\s+(\w+) (?:FUNC|IFUNC)\s+\w+\s+\w+\s+(\w+) ([^@\s]+)/.exec(line);
    if (!inside || !match || match[3] === 'UND') continue;
    functions.push({ name: match[4]!, address: Number.parseInt(match[1]!, 16), sizeBytes: Number(match[2]) });
  }
  return functions;
}
