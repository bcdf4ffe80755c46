/** Nothing that a stranger chose drives the terminal, whichever command prints it: all of them print through the same two streams. */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { notifier, openLogger } from '../../src/cli/logger.ts';
import { stderr } from '../../src/cli/stderr.ts';
import { describeError, errorLines, UspanError } from '../../src/contract/errors.ts';
import { printable, printableJson } from '../../src/contract/printable.ts';
import { terminalLine } from '../../src/contract/terminal-line.ts';
import { coloursOf } from '../../src/settings/colours.ts';

const source = resolve(import.meta.dirname, '../../src');
/** A title, a cleared screen, a second line, text that runs backwards, and a colour by one character. */
const evil = '\x1b]0;owned\x07\x1b[2J\r\n\u202e\u061c\u200f\u2028\u009b1m\x7f';
const driving = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('only stdout.ts and stderr.ts write to the standard streams', () => {
  const files = globSync('**/*.ts', { cwd: source }).sort();
  const around = /\bprocess\.(stdout|stderr)\b|\bconsole\.|\bwriteSync\(|\bwriteFileSync\((1|2)\b/;
  const code = (path: string) =>
    readFileSync(resolve(source, path), 'utf8').replaceAll(/\/\*\*[\s\S]*?\*\/|\/\/.*/g, '');
  expect(files.filter((path) => around.test(code(path)))).toEqual([
    'cli/stdout.ts',
    'cli/write-whole.ts',
    // Counts in the memory of a target, and no text.
    'probes/attach/mend-semaphores.ts',
  ]);
  const whole = files.filter((path) => /\bwriteWhole\(/.test(code(path)));
  expect(whole).toEqual(['cli/report-file.ts', 'cli/stderr.ts', 'cli/stdout.ts', 'cli/write-whole.ts']);
  // Text that goes out as it is: spans, which are printable already, and what the formatter of the log makes.
  const raw = files.filter((path) => /\b(stdout|stderr)\.write\(/.test(code(path)));
  expect(raw).toEqual(['cli/logger.ts', 'cli/outputs.ts', 'cli/stdout.ts']);
});

test('a line shows what would drive the terminal, and stays one line', () => {
  expect(terminalLine(`a${evil}b`)).toBe(
    'a\\x1b]0;owned\\x07\\x1b[2J\\x0d\\x0a\\x202e\\x61c\\x200f\\x2028\\x9b1m\\x7fb',
  );
  expect(terminalLine('é 日本 🙂 ✓ – └─')).toBe('é 日本 🙂 ✓ – └─');
  expect(terminalLine('x'.repeat(1000))).toHaveLength(1000);
});

test('colours are ours alone', () => {
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  const colours = coloursOf({ isTTY: true });
  expect(terminalLine(`${colours.red(evil)} ${colours.bold('b')}`)).toBe(
    `\x1b[31m${printable(evil)}\x1b[39m \x1b[1mb\x1b[22m`,
  );
  expect(terminalLine(coloursOf({}).red(evil))).toBe(printable(evil));
  // Another run has other marks, which mean nothing to this one.
  expect(terminalLine('\ue0000123456789abcdef31m')).not.toMatch(driving);
});

test('JSON says the same, with nothing in it that drives a terminal', () => {
  const value = { [evil]: evil, list: ['é 🙂'] };
  const text = printableJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).not.toMatch(driving);
});

test('an error is one line, whatever is in its texts; only the end of a log of the verifier has more', () => {
  const error = new UspanError('E_FILE_READ', `no ${evil}`, { on: evil, fix: evil, cause: new Error(evil) });
  expect(errorLines(error)).toEqual([describeError(error)]);
  const refused = Object.assign(new Error('refused'), { code: 'E_BPF_LOAD', verifierLog: 'one\ntwo\n' });
  expect(errorLines(refused)).toEqual(['E_BPF_LOAD: refused', 'one', 'two']);
});

test('a line of the log is one line, at once', () => {
  const written: string[] = [];
  vi.spyOn(stderr, 'write').mockImplementation((text) => void written.push(text));
  notifier(openLogger('info'))('warn', `message ${evil}`, { exe: evil, count: 3 });
  expect(written).toHaveLength(1);
  expect(written[0]).toMatch(/ WARN: message .*"count":3.*\n$/);
  expect(written[0]!.trimEnd()).not.toMatch(driving);
});
