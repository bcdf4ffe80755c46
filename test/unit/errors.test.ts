import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { describeError, errorCodes, UspanError } from '../../src/contract/errors.ts';

const docs = readFileSync(resolve(import.meta.dirname, '../../docs/errors.md'), 'utf8');

/** `## E_CODE` sections: heading → body. */
const sections = new Map(
  docs
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section.slice(section.indexOf('\n'))]),
);

describe('docs/errors.md', () => {
  test('documents every code and no other', () => {
    const documented = [...sections.keys()].filter((heading) => heading.startsWith('E_'));
    expect(documented.sort()).toEqual([...errorCodes].sort());
  });

  test.each(errorCodes)('%s says what it means and what to do', (code) => {
    const section = sections.get(code) ?? '';
    expect(section).toMatch(/^\*\*Means:\*\* \S.{20}/m);
    expect(section).toMatch(/^\*\*Do:\*\* \S.{20}/m);
  });

  test('lists every exit code', () => {
    const listed = [...docs.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, status, name]) => [name, Number(status)]);
    expect(Object.fromEntries(listed)).toEqual(exitCodes);
  });
});

test('an error is one line with code, object, cause and fix', () => {
  const error = new UspanError('E_FILE_READ', 'cannot read the file', {
    on: '/bin/x',
    fix: 'Run as root',
    cause: new Error('EACCES'),
  });
  expect(describeError(error)).toBe('E_FILE_READ: cannot read the file (/bin/x): EACCES. Run as root');
});
