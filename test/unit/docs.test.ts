/** The documents say what the code says: generated parts are up to date, and everything that must be explained is. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliPage, librariesTable, replaceSection, settingsPage } from '../../scripts/gen-docs.ts';
import { commands, flagsOf } from '../../src/cli/flags.ts';
import { definitions } from '../../src/probes/definitions/index.ts';
import { counterNames } from '../../src/probes/layout.gen.ts';
import { rows } from '../../src/settings/table.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');
const sources = (pattern: string) => globSync(pattern, { cwd: root }).map(read).join('\n');
const captured = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match.slice(1).join(' '));

describe('generated parts (renew them by `node scripts/gen-docs.ts`)', () => {
  test('docs/cli.md', () => {
    expect(read('docs/cli.md')).toBe(cliPage());
    const flags = Object.values(commands).flatMap((spec) => flagsOf(spec));
    for (const [, { flag }] of flags) expect(cliPage()).toContain(`\`${flag}\``);
  });

  test('docs/settings.md', () => {
    const page = read('docs/settings.md');
    expect(page).toBe(settingsPage(page));
    for (const [, { environment = [], yaml }] of rows) {
      for (const place of [...environment, ...(yaml ? [yaml] : [])]) expect(page).toContain(`\`${place}\``);
    }
  });

  test('docs/export.md has no variable that is not read, and explains all of the export', () => {
    const named = captured(read('docs/export.md'), /(OTEL_[A-Z_]+[A-Z])/g);
    const known = rows.flatMap(([, { environment }]) => environment ?? []);
    expect(named.filter((name) => !known.includes(name))).toEqual(['OTEL_SDK_DISABLED']);
    const ofExport = known.filter((name) => /_(BSP|OTLP|EXPORTER)/.test(name) && !/_TRACES_(?!EXPORTER)/.test(name));
    expect(ofExport.filter((name) => !named.includes(name))).toEqual([]);
  });

  test('the libraries in README.md', () => {
    const readme = read('README.md');
    expect(readme).toBe(replaceSection(readme, 'generated:libraries', librariesTable(definitions)));
    for (const { name } of definitions) expect(readme).toContain(`\`${name}\``);
  });

  test('a lost marker is an error', () => {
    expect(() => replaceSection('text', 'generated:libraries', '')).toThrow('generated:libraries');
  });
});

describe('docs/how-it-works.md', () => {
  const page = read('docs/how-it-works.md');
  /** The cells in code style of a table row's first two columns: `stage` and `reason`, or counters. */
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, 3)
        .map((cell) => captured(cell, /`(\w+)`/g)),
    );

  test('explains every counter of bpf/event.h', () => {
    const explained = rows.flatMap(([names]) => names!);
    expect(explained).toEqual(expect.arrayContaining([...counterNames]));
  });

  test('explains every loss, and none that cannot happen', () => {
    const code = sources('src/**/*.ts');
    const direct = captured(code, /\b(?:lose|losses\.add)\('(\w+)', '(\w+)'/g);
    const kernel = counterNames.filter((name) => name.startsWith('lost_')).map((name) => `bpf ${name.slice(5)}`);
    const reasons = /type ExportLossReason = ([^;]+);/.exec(code)![1]!;
    const exporter = captured(reasons, /'(\w+)'/g).map((reason) => `export ${reason}`);
    expect(direct.length).toBeGreaterThan(3);
    expect(exporter.length).toBeGreaterThan(3);
    const stages = new Set([...direct, ...kernel, ...exporter].map((loss) => loss.split(' ')[0]));
    const explained = rows
      .filter(([stage]) => stages.has(stage![0]))
      .flatMap(([stage, reason]) => reason!.map((each) => `${stage![0]} ${each}`));
    expect(explained.sort()).toEqual([...new Set([...direct, ...kernel, ...exporter])].sort());
  });
});

test('docs/spans.md has a row for every attribute a definition writes, and no other', () => {
  const written = captured(sources('src/{probes,semconv}/**/*.ts'), /\b(?:attributeKey|text|number)\('([\w.]+)'\)/g);
  const cells = read('docs/spans.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  // Values are in code style too. Names of attributes have a dot, or are before the second bar.
  const named = cells.flatMap((line) => captured(line, /`([a-z_]+(?:\.[a-z_]+)+)`/g));
  expect(written.length).toBeGreaterThan(10);
  expect([...new Set(named)].sort()).toEqual([...new Set(written)].sort());
});

test('docs/troubleshooting.md explains every reason to skip a library', () => {
  const union = /type SkipReason =([^;]+);/.exec(read('src/contract/decision.ts'))![1]!;
  const reasons = captured(union, /'(\w+)'/g);
  expect(reasons.length).toBeGreaterThan(3);
  for (const reason of reasons) expect(read('docs/troubleshooting.md')).toContain(`| \`${reason}\` |`);
});

describe('links', () => {
  const pages = globSync(['*.md', 'docs/*.md', 'examples/*/README.md'], { cwd: root });

  /** As GitHub makes anchors: lower case, spaces to dashes, punctuation dropped. */
  const anchors = (path: string) =>
    captured(read(path), /^#+ (.+)$/gm).map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );

  test.each(pages)('%s', (page) => {
    const targets = captured(read(page), /\]\(([^)\s]+)\)/g).filter((target) => !target.includes('://'));
    const broken = targets.filter((target) => {
      const [path, anchor] = target.split('#');
      const file = path ? resolve(root, dirname(page), path) : resolve(root, page);
      if (!existsSync(file)) return true;
      return anchor !== undefined && !anchors(file).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});
