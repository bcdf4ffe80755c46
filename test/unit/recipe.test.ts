/** CONTRIBUTING.md describes the layers as they are, and every definition follows its recipe. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { definitions } from '../../src/probes/definitions/index.ts';
import * as layout from '../../src/probes/layout.gen.ts';
import { layers } from '../support/layers.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]!);
const contributing = read('CONTRIBUTING.md');

/** The rows of the table under a heading of CONTRIBUTING.md, as cells. */
function tableUnder(heading: string): string[][] {
  const section = contributing.split(`\n${heading}\n`)[1]!.split(/\n#/)[0]!;
  const rows = section.split('\n\n').find((block) => block.startsWith('| '))!;
  return rows
    .trim()
    .split('\n')
    .slice(2)
    .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
}

/**
 * A file and everything that it leads to. `next` says which paths a text names, relative to the file. `may` says which of them to follow.
 */
function reach(start: string, next: (text: string) => string[], may: RegExp): string[] {
  const reached = new Set([start]);
  for (const path of reached) {
    for (const other of next(read(path))) {
      const candidates = [relative(root, resolve(root, dirname(path), other)), `bpf/${other}`];
      const found = candidates.find((candidate) => may.test(candidate) && existsSync(resolve(root, candidate)));
      if (found) reached.add(found);
    }
  }
  return [...reached];
}

const imports = (text: string) => matches(text, /\bfrom\s*'(\.[^']+)'/g);
const includes = (text: string) => matches(text, /^#include "([^"]+)"/gm);
const textOf = (paths: readonly string[]) => paths.map(read).join('\n');

describe('the layers in CONTRIBUTING.md', () => {
  const rows = tableUnder('## Layers');

  test('are those that a file can belong to, and no others', () => {
    const named = rows.map(([name]) => name);
    expect(named.sort()).toEqual(layers.map(({ name }) => name).sort());
  });

  test.each(rows)('%s: %s', (name, folder) => {
    const [, before, list, after] = /^`([^{]*)(?:\{(.*)\})?(.*)`$/.exec(folder!)!;
    const paths = list === undefined ? [before!] : list.split(',').map((each) => `${before}${each}${after}`);
    const { files } = layers.find((layer) => layer.name === name)!;
    for (const path of paths) {
      expect(existsSync(resolve(root, path)), path).toBe(true);
      const below = path.slice('src/'.length);
      expect(below.endsWith('.ts') ? below : `${below.replace(/\/$/, '')}/a.ts`).toMatch(files);
    }
  });
});

describe('the examples in CONTRIBUTING.md', () => {
  test.each([...tableUnder('### By data alone'), ...tableUnder('### With a BPF program')])('%s', (cell, lines) => {
    const path = /^`(.+)`$/.exec(cell!)![1]!;
    expect(existsSync(resolve(root, path)), path).toBe(true);
    expect(Number(lines)).toBeGreaterThan(0);
    // The library's own files are as long as the table says, within a quarter.
    if (/sqlite|python-gc|churn/.test(path)) {
      expect(Math.abs(read(path).trimEnd().split('\n').length / Number(lines) - 1)).toBeLessThan(0.25);
    }
  });
});

/** Not a field. */
const notSent = ['COUNT'];
/** `enum uspan_…_field` of the contract, by their names in layout.gen.ts. */
const fieldEnums = Object.entries(layout as Record<string, unknown>).flatMap(([name, value]) =>
  name.endsWith('Field')
    ? [[name, Object.keys(value as object).filter((field) => !notSent.includes(field))] as const]
    : [],
);
const sourceOf = (name: string) =>
  globSync('src/probes/definitions/**/*.ts', { cwd: root }).filter((path) => read(path).includes(`name: '${name}',`));
const code = /^src\/(probes\/definitions|probes\/pair|semconv)\/(?!.*index\.ts)/;
const kernelTests = globSync('test/kernel/*.test.ts', { cwd: root });
const spans = read('docs/spans.md');

describe.each(definitions.map((definition) => [definition.name, definition] as const))('%s', (name, definition) => {
  const [source] = sourceOf(name);
  const own = source === undefined ? [] : reach(source, imports, code);
  const objects = [definition.object, ...(definition.sleepable ? [definition.sleepable.object] : [])];

  test('is one value in one file below src/probes/definitions', () => {
    expect(sourceOf(name)).toHaveLength(1);
  });

  test.each(objects)('has bpf/…/%s.bpf.c, which includes the contract and defines its programs', (object) => {
    const sources = globSync(`bpf/**/${object}.bpf.c`, { cwd: root });
    expect(sources).toHaveLength(1);
    const reached = reach(sources[0]!, includes, /^bpf\/|^build\//);
    expect(reached).toContain('bpf/event.h');
    const program = object === definition.object ? definition.program : definition.sleepable!.program;
    expect(textOf(reached)).toMatch(new RegExp(`\\nint ${program}\\(`));
  });

  test('reads every field of its records', () => {
    const unread = own.flatMap((path) => {
      const text = read(path);
      const imported = text.match(/import \{([^}]*)\} from '[./a-z-]*layout\.gen\.ts'/)?.[1] ?? '';
      return fieldEnums.flatMap(([fieldEnum, fields]) => {
        const alias = new RegExp(`\\b${fieldEnum}(?: as (\\w+))?`).exec(imported);
        if (!alias) return [];
        const row = (field: string) => new RegExp(`\\b${alias[1] ?? fieldEnum}\\.${field}\\b`);
        return fields.filter((field) => !row(field).test(text)).map((field) => `${path}: ${fieldEnum}.${field}`);
      });
    });
    expect(unread).toEqual([]);
  });

  test('has a kernel test that asks the report for it, with a fixture or a real server', () => {
    const asking = kernelTests.filter((path) => {
      const text = read(path);
      return new RegExp(`\\bdefinition(: string)?( ===|:| =) '${name}'`).test(text);
    });
    expect(asking).not.toEqual([]);
    for (const path of asking) {
      const reached = textOf(reach(path, imports, /^test\//));
      expect(reached, path).toMatch(/fixtures\b|support\/postgres\.ts/);
    }
  });

  test('has a row in docs/spans.md for each of its attributes', () => {
    const written = matches(textOf(own), /\b(?:attributeKey|text|number)\('([\w.]+)'\)/g);
    expect(written).not.toEqual([]);
    for (const attribute of written)
      expect(spans).toMatch(new RegExp(`^\\| .*\`${attribute.replaceAll('.', '\\.')}\``, 'm'));
  });
});

test('every field belongs to some definition', () => {
  const all = definitions.flatMap(({ name }) => sourceOf(name)).flatMap((source) => reach(source, imports, code));
  const text = textOf([...new Set(all)]);
  expect(fieldEnums.length).toBeGreaterThan(3);
  for (const [fieldEnum] of fieldEnums) expect(text).toContain(fieldEnum);
});
