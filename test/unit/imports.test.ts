/** The one way: discovery → plan → attach → decode → correlate → span → export. What a layer may import is written here, once. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Layer {
  readonly name: string;
  /** The first layer whose pattern matches a path below src/ is the file's. */
  readonly files: RegExp;
  /** Layers it may import, besides itself. */
  readonly imports: readonly string[];
}

const layers: readonly Layer[] = [
  { name: 'contract', files: /^contract\//, imports: [] },
  { name: 'guard', files: /^guard\.ts$/, imports: ['contract'] },
  // Switches for developers, the only ones that are no settings.
  { name: 'development', files: /^settings\/development\.ts$/, imports: [] },
  { name: 'native', files: /^native\.ts$/, imports: ['contract', 'development'] },
  { name: 'map-file', files: /^discovery\/map-file\.ts$/, imports: ['contract', 'native'] },
  { name: 'discovery', files: /^discovery\//, imports: ['contract', 'map-file'] },
  { name: 'layout', files: /^probes\/(layout\.gen|slab|span-record|open-spans)\.ts$/, imports: ['contract'] },
  // What each attachment id and each process number stands for: attach and targets write it, correlate reads it.
  { name: 'tables', files: /^probes\/(probe|process)-table\.ts$/, imports: ['contract'] },
  { name: 'sql', files: /^sql\//, imports: ['contract'] },
  { name: 'semconv', files: /^semconv\//, imports: ['contract', 'layout', 'sql'] },
  {
    name: 'plan',
    files: /^probes\/(sites|plan|definitions|pair)[./]/,
    imports: ['contract', 'discovery', 'layout', 'semconv', 'sql'],
  },
  {
    name: 'attach',
    files: /^probes\/attach[./]/,
    imports: ['contract', 'discovery', 'map-file', 'layout', 'plan', 'native', 'guard', 'tables'],
  },
  { name: 'decode', files: /^probes\/decode[./]/, imports: ['contract', 'layout', 'plan'] },
  { name: 'correlate', files: /^probes\/correlate[./]/, imports: ['contract', 'layout', 'plan', 'decode', 'tables'] },
  { name: 'otel', files: /^otel\//, imports: ['contract'] },
  // The life cycle of processes: what is selected, attached and ended.
  {
    name: 'targets',
    files: /^targets\//,
    imports: ['contract', 'guard', 'discovery', 'plan', 'attach', 'tables'],
  },
  { name: 'report', files: /^report\.ts$/, imports: ['contract', 'layout', 'plan', 'attach', 'correlate', 'otel'] },
  { name: 'settings', files: /^settings\//, imports: ['contract'] },
  {
    name: 'agent',
    files: /^(agent|report)\.ts$/,
    imports: [
      ...['contract', 'guard', 'discovery', 'map-file', 'layout', 'plan', 'tables'],
      ...['attach', 'targets', 'decode', 'correlate', 'otel', 'report'],
    ],
  },
  {
    name: 'cli',
    files: /^cli\//,
    imports: [
      ...['contract', 'discovery', 'map-file', 'layout', 'plan', 'attach', 'otel', 'report', 'agent'],
      ...['settings', 'development'],
    ],
  },
];

/** A file that imports from each of these knows the whole way. */
const way = ['discovery', 'plan', 'attach', 'otel'];

const source = resolve(import.meta.dirname, '../../src');
const files = globSync('**/*.ts', { cwd: source }).sort();

function layerOf(path: string): Layer | undefined {
  return layers.find((layer) => layer.files.test(path));
}

/** `import … from '…'`, `export … from '…'`, `import '…'` and `import('…')` of relative paths, as paths below src/. */
function importsOf(path: string): string[] {
  const text = readFileSync(resolve(source, path), 'utf8');
  const specifiers = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g);
  return [...specifiers].map((match) => relative(source, resolve(source, dirname(path), match[1]!)));
}

describe('imports follow the one way', () => {
  test('the source is found', () => {
    expect(files).toContain('contract/errors.ts');
    expect(importsOf('contract/span.ts')).toEqual(['contract/attribute-key.ts']);
  });

  test.each(files)('src/%s', (path) => {
    const layer = layerOf(path);
    expect(layer, `src/${path} belongs to no layer of ${relative(process.cwd(), import.meta.filename)}`).toBeDefined();
    const wrong = importsOf(path).filter((imported) => {
      if (imported.startsWith('..')) return !(layer?.name === 'native' && imported.startsWith('../native/'));
      const other = layerOf(imported)?.name;
      return other !== layer?.name && !layer?.imports.includes(other ?? '');
    });
    expect(
      wrong.map((imported) => `src/${path} (${layer?.name}) must not import ${imported} (${layerOf(imported)?.name})`),
    ).toEqual([]);
  });

  test('the environment is read by the settings alone; the entrance hands it to them', () => {
    const reading = files.filter((path) => /\bprocess\.env\b/.test(readFileSync(resolve(source, path), 'utf8')));
    expect(reading.filter((path) => !path.startsWith('settings/'))).toEqual(['cli/main.ts']);
  });

  test('only agent.ts knows every layer', () => {
    const knowing = files.filter((path) => {
      const known = new Set(importsOf(path).map((imported) => layerOf(imported)?.name));
      return way.every((name) => known.has(name));
    });
    expect(knowing.filter((path) => path !== 'agent.ts')).toEqual([]);
  });
});
