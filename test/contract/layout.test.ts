/** bpf/event.h, compiled now, against the committed src/probes/layout.gen.ts. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateLayout, readBtf, readContract } from '../../scripts/gen-layout.ts';
import { readBpfObject } from '../../src/probes/attach/bpf-files.ts';
import { layoutDifference } from '../../src/probes/attach/open-object.ts';
import { builtObjects } from './verifier-configurations.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const header = readContract();
let directory: string;
let types: ReturnType<typeof readBtf>;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-contract-'));
  const object = join(directory, 'contract.bpf.o');
  execFileSync(join(root, 'scripts/build-bpf.sh'), ['bpf/contract.bpf.c', object]);
  types = readBtf(object);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('layout.gen.ts is what scripts/gen-layout.ts makes of event.h', () => {
  expect(readFileSync(join(root, 'src/probes/layout.gen.ts'), 'utf8')).toBe(generateLayout(types, header));
});

test('objects that were built from these headers are opened, and no others', () => {
  for (const name of builtObjects()) expect(layoutDifference(readBpfObject(name), name), name).toBeUndefined();
  const build = (struct: string) => {
    const source = join(directory, 'other.bpf.c');
    const object = join(directory, 'other.bpf.o');
    writeFileSync(source, `typedef unsigned long long u64;\nstruct ${struct};\nstruct uspan_event_head head;\n`);
    execFileSync(join(root, 'scripts/build-bpf.sh'), [source, object]);
    return layoutDifference(readFileSync(object), 'other');
  };
  expect(build('uspan_event_head { u64 ktime_ns; }')).toBe('struct uspan_event_head has 8 bytes, not 24');
  const swapped = 'uspan_event_head { unsigned pid, tid; u64 ktime_ns; unsigned len; unsigned short kind, probe_id; }';
  expect(build(swapped)).toBe('uspan_event_head.pid is at 0, not 8');
});

test('is the same on arm64', () => {
  const object = join(directory, 'contract-arm64.bpf.o');
  execFileSync(join(root, 'scripts/build-bpf.sh'), ['--arch', 'arm64', 'bpf/contract.bpf.c', object]);
  expect(generateLayout(readBtf(object), header)).toBe(generateLayout(types, header));
});

test('a struct, an enum or a number without an anchor is refused', () => {
  for (const [added, missing] of [
    ['struct uspan_new {\n', 'uspan_new'],
    ['enum uspan_new {\n', 'uspan_new'],
    ['#define USPAN_NEW 1\n', 'USPAN_CONSTANT_NEW'],
    ['#define USPAN_NEW (1 << 2)\n', 'USPAN_CONSTANT_NEW'],
  ] as const) {
    expect(() => generateLayout(types, header + added)).toThrow(missing);
  }
});

test('nested fields, sentinels, gaps and prefixes', () => {
  const text = generateLayout(
    [
      { id: 1, kind: 'INT', name: 'unsigned int', size: 4 },
      {
        id: 2,
        kind: 'STRUCT',
        name: 'uspan_in_ner',
        size: 4,
        members: [{ name: 'one_two', type_id: 1, bits_offset: 0 }],
      },
      { id: 3, kind: 'STRUCT', name: 'uspan_outer', size: 12, members: [{ name: 'in', type_id: 2, bits_offset: 64 }] },
      {
        id: 4,
        kind: 'ENUM',
        name: 'uspan_color',
        values: ['USPAN_COLOR_RED', 'USPAN_COLOR_REDDISH', 'USPAN_COLORS'].map((name, val) => ({ name, val })),
      },
      {
        id: 5,
        kind: 'ENUM',
        name: 'uspan_other_name',
        values: [
          { name: 'USPAN_X_A', val: 1 },
          { name: 'USPAN_X_AB', val: 4 },
        ],
      },
    ],
    '',
  );
  expect(text).toContain('export const InNer = {\n  size: 4,\n  oneTwo: 0,\n} as const;');
  expect(text).toContain('export const Outer = {\n  size: 12,\n  in: 8,\n  inOneTwo: 8,\n} as const;');
  expect(text).toContain('export const Color = {\n  RED: 0,\n  REDDISH: 1,\n  COUNT: 2,\n} as const;');
  expect(text).toContain("export const colorNames = [\n  'red',\n  'reddish',\n] as const;");
  expect(text).toContain('export const OtherName = {\n  A: 1,\n  AB: 4,\n} as const;');
  expect(text).not.toContain('otherNameNames');
});
