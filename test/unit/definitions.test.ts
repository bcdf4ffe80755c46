/** A library is one definition, one program or the generic one, and one expectation. The three go together. */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { definitions } from '../../src/probes/definitions/index.ts';
import { Constant } from '../../src/probes/layout.gen.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');
const tests = globSync('test/kernel/**/*.ts', { cwd: root }).map(read).join('\n');

test('no two have the same name', () => {
  const names = definitions.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(definitions.map((definition) => [definition.name, definition] as const))('%s', (name, definition) => {
  test('has its BPF object, with the programs and maps it names', () => {
    const [source] = globSync(`bpf/**/${definition.object}.bpf.c`, { cwd: root });
    expect(source, definition.object).toBeDefined();
    const included = globSync('bpf/**/*.h', { cwd: root }).map(read);
    const text = [read(source!), ...included].join('\n');
    const programs = [definition.program, ...definition.points.flatMap(({ program }) => program ?? [])];
    for (const program of programs) expect(text).toMatch(new RegExp(`\\nint ${program}\\(|\\(${program}[,)]`));
    const { sleepable } = definition;
    if (sleepable) expect(read(`bpf/usdt/${sleepable.object}.bpf.c`)).toContain(`\nint ${sleepable.program}(`);
    const maps = [definition.configMap, ...definition.inFlight.map(({ map }) => map)];
    const { lruEntriesPerRequest = {} } = definition;
    for (const map of Object.keys(lruEntriesPerRequest))
      expect(text).toMatch(new RegExp(`BPF_MAP_TYPE_LRU_HASH\\);[^}]*\\} ${map} SEC\\(`));
    for (const map of [...maps, ...Object.keys(definition.entriesPerRequest)])
      expect(text).toMatch(new RegExp(`\\} ${map} SEC\\(|OPEN_SPANS\\(${map}\\)`));
  });

  // The programs of an object with bpf_loop do not load before Linux 5.17.
  test('says so when its programs need bpf_loop', () => {
    const uses = (path: string, seen = new Set<string>()): boolean => {
      if (seen.has(path)) return false;
      seen.add(path);
      const text = read(path);
      const includes = [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, name]) => `bpf/${name}`);
      return /\bbpf_loop\(/.test(text) || includes.some((name) => !name.includes('vmlinux') && uses(name, seen));
    };
    const [source] = globSync(`bpf/**/${definition.object}.bpf.c`, { cwd: root });
    expect(definition.needs?.includes('bpfLoop') ?? false).toBe(uses(source!));
  });

  test('numbers its moments within the limit, one name each', () => {
    const nameOf = new Map<number, string>();
    for (const point of definition.points) {
      expect(point.moment).toBeLessThan(Constant.MAX_MOMENTS);
      expect(nameOf.get(point.moment) ?? point.name).toBe(point.name);
      nameOf.set(point.moment, point.name);
    }
  });

  test('has an expectation: a kernel test that names it', () => {
    expect(tests).toContain(`'${name}'`);
  });
});
