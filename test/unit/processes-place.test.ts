/** package.json files as a process sees them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { placeOf } from '../../src/discovery/processes/process-place.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'uspan-place-')));
afterAll(() => rmSync(root, { recursive: true }));

function folder(name: string, packageJson?: string): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  if (packageJson !== undefined) writeFileSync(join(path, 'package.json'), packageJson);
  return path;
}
folder('.', '{"name":"@acme/outer"}');
const place = placeOf(process.pid);

test('its working directory', () => {
  expect(place.directory()).toBe(process.cwd());
  expect(placeOf(0).directory()).toBeUndefined();
});

test('the name is that of the next package.json with one', () => {
  expect(place.packageName(root)).toBe('@acme/outer');
  expect(place.packageName(folder('inner', '{"name":"inner"}'))).toBe('inner');
  expect(place.packageName(folder('inner/dist', '{"type":"module"}'))).toBe('inner');
  expect(place.packageName(folder('a/b/c'))).toBe('@acme/outer');
  expect(place.packageName('/')).toBeUndefined();
});

test.each([
  ['no JSON', '{name'],
  ['null', 'null'],
  ['a number', '{"name":7}'],
  ['an empty name', '{"name":""}'],
  ['control characters', '{"name":"a\\u001b[2J"}'],
  ['a name that npm refuses', JSON.stringify({ name: 'x'.repeat(215) })],
  ['a file of a megabyte', `{"name":"x"}${' '.repeat(1024 * 1024)}`],
])('%s says nothing', (what, text) => {
  expect(place.packageName(folder(what, text))).toBe('@acme/outer');
});

test('a pipe does not stop it, and a link is not followed', () => {
  const pipe = folder('pipe');
  execFileSync('mkfifo', [join(pipe, 'package.json')]);
  expect(place.packageName(pipe)).toBe('@acme/outer');
  const link = folder('link');
  symlinkSync(join(root, 'inner/package.json'), join(link, 'package.json'));
  expect(place.packageName(link)).toBe('@acme/outer');
});
