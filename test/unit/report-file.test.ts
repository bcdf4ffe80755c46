/** A report is whole or untouched. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openReportFile } from '../../src/cli/report-file.ts';
import type { Report } from '../../src/report.ts';
import { runProcess } from '../support/process.ts';

const report = { version: '0\u009b', lost: [] } as unknown as Report;
const refused = expect.objectContaining({ code: 'E_REPORT' });
let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-report-'));
  path = join(directory, 'report.json');
});
afterEach(() => rmSync(directory, { recursive: true }));

test('what was there stays until the report is whole; its mode and a link stay for good', () => {
  const link = join(directory, 'link');
  writeFileSync(path, 'before');
  chmodSync(path, 0o640);
  symlinkSync(path, link);
  const file = openReportFile(link);
  expect(readFileSync(path, 'utf8')).toBe('before');
  file.write(report);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report);
  expect(readFileSync(path, 'utf8')).toContain('\\u009b');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(directory).sort()).toEqual(['link', 'report.json']);
});

test('no report leaves no file, and a start tries whether there could be one', () => {
  openReportFile(path);
  expect(readdirSync(directory)).toEqual([]);
  expect(() => openReportFile(join(directory, 'nowhere', 'report.json'))).toThrow(refused);
  expect(() => openReportFile(directory)).toThrow(refused);
});

test('a device is written, and not replaced; a FIFO without a reader is refused at once', () => {
  openReportFile('/dev/null').write(report);
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(() => openReportFile('/dev/full').write(report)).toThrow(refused);
  execFileSync('mkfifo', [path]);
  expect(() => openReportFile(path)).toThrow(refused);
});

test('a file system that takes only a part leaves what was there, and nothing else', async () => {
  writeFileSync(path, 'before');
  const module = resolve(import.meta.dirname, '../../src/cli/report-file.ts');
  const program = `
    const { openReportFile } = await import(${JSON.stringify(module)});
    openReportFile(${JSON.stringify(path)}).write({ text: 'x'.repeat(100_000) });
  `;
  // Files may have 8 KiB. Node.js ignores SIGXFSZ, so that the write fails as it does on a full disk.
  const line = 'ulimit -f 8; exec "$0" --input-type=module --eval "$1"';
  const { code, stderr } = await runProcess('bash', ['-c', line, process.execPath, program]);
  expect(code).not.toBe(0);
  expect(stderr).toContain('E_REPORT');
  expect(readFileSync(path, 'utf8')).toBe('before');
  expect(readdirSync(directory)).toEqual(['report.json']);
});
