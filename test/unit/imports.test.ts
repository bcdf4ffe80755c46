/** Every file below src/ imports what test/support/layers.ts allows its layer, and nothing else. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layerOf } from '../support/layers.ts';

/** A file that imports from each of these knows the whole way. */
const way = ['discovery', 'plan', 'attach', 'otel'];

const source = resolve(import.meta.dirname, '../../src');
const files = globSync('**/*.ts', { cwd: source }).sort();

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
    expect(layer, `src/${path} belongs to no layer of test/support/layers.ts`).toBeDefined();
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
