/** Secrets in the query of a URL. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { usualSecretKeys } from '../../src/contract/secret-keys.ts';
import { hasSecret, redactedQuery, redactQueryKeys } from '../../src/semconv/query-secrets.ts';
import { secretKeysOf } from '../../src/settings/secret-keys.ts';
import { readRun } from '../support/settings.ts';

/** `text` between walls: a secret before it, and what could complete one behind it. */
function walled(text: string, before = '%5B', after = '=&token=1') {
  const bytes = Buffer.from(before + text + after, 'latin1');
  return [bytes, before.length, before.length + Buffer.byteLength(text, 'latin1')] as const;
}

function expectRedacted(query: string, redacted: string): void {
  expect(redactedQuery(...walled(query))).toBe(redacted);
  expect(hasSecret(...walled(query))).toBe(query !== redacted);
}

afterEach(() => redactQueryKeys(usualSecretKeys));

test.each([
  ['sig=abc', 'sig=REDACTED'],
  ['a=1&sig=abc&b=2', 'a=1&sig=REDACTED&b=2'],
  ['sig=', 'sig=REDACTED'],
  ['sig=a&sig=b', 'sig=REDACTED&sig=REDACTED'],
  ['Signature=a=b', 'Signature=REDACTED'],
  ['AWSAccessKeyId=AKIA&Signature=x', 'AWSAccessKeyId=REDACTED&Signature=REDACTED'],
  ['X-Goog-Signature=1', 'X-Goog-Signature=REDACTED'],
  ['&&sig=1', '&&sig=REDACTED'],
  ['q=\xe9&sig=1', 'q=\ufffd&sig=REDACTED'],
])('credentials of the HTTP semantic conventions: %s', expectRedacted);

test.each([
  ...usualSecretKeys.map((key) => key.replace('*', 'Anything')),
  ...['x-amz-credential', 'X-AMZ-SIGNATURE', 'x-goog-', 'SIG', 'Access_Token', 'PASSWORD', 'signature'],
])('the key %s', (key) => {
  expectRedacted(`a=1&${key}=zq7&b=${key}`, `a=1&${key}=REDACTED&b=${key}`);
});

test.each([
  ['%74oken=a', '%74oken=REDACTED'],
  ['a=b&%54%4f%4B%45%4e=a&c', 'a=b&%54%4f%4B%45%4e=REDACTED&c'],
  ['pass%77ord=a', 'pass%77ord=REDACTED'],
  ['X%2dAmz%2DSignature=a', 'X%2dAmz%2DSignature=REDACTED'],
  ['api%5Fkey=a', 'api%5Fkey=REDACTED'],
])('a percent-encoded key: %s', expectRedacted);

test.each([
  ['user[password]=a&x', 'user[password]=REDACTED&x'],
  ['user%5Bpassword%5d=a', 'user%5Bpassword%5d=REDACTED'],
  ['token[]=a&token[0]=b', 'token[]=REDACTED&token[0]=REDACTED'],
  ['a=1;token=b;c=d&e', 'a=1;token=REDACTED&e'],
])('a part of a key: %s', expectRedacted);

test.each([
  ...['', 'sig', 'a=sig', 'a=1&sig', 'xsig=1', 'sigx=1', 'a=sig=1', '&', 'monkey=1', 'keys=1', 'x-amz=1', 'a=[token=1'],
  ...['%', '%7', 'toke%', 'toke%6', '%zzoken=1', 'token%3Da', 'encode=1', '\ufeff'],
])('%j has none', (query) => {
  expect(hasSecret(...walled(query, '&', '=1'))).toBe(false);
  expect(redactedQuery(...walled(query))).toBe(Buffer.from(query, 'latin1').toString());
});

describe('the setting', () => {
  const use = (flags: string, yaml = '') => redactQueryKeys(secretKeysOf(readRun(flags, {}, yaml)));

  test('names other keys, as a whole or by how they begin', () => {
    use('--redact-query ssn --redact-query my-*');
    expectRedacted('SSN=1&my-x=2&token=3', 'SSN=REDACTED&my-x=REDACTED&token=3');
  });

  test('`default` stands for the usual ones', () => {
    use('--redact-query ssn --redact-query default');
    expectRedacted('ssn=1&token=3', 'ssn=REDACTED&token=REDACTED');
  });

  test('`*` is every key, and an empty list none', () => {
    use('--redact-query *');
    expectRedacted('a=1&&b=2&c', 'a=REDACTED&&b=REDACTED&c');
    use('', 'redact_query: []');
    expectRedacted('token=3', 'token=3');
  });
});

test('docs/spans.md lists the usual keys, and no other', () => {
  const page = readFileSync(new URL('../../docs/spans.md', import.meta.url), 'utf8');
  const [, list] = /^## Secrets in queries\n.*?^(`.*?)$/ms.exec(page)!;
  expect(list!.match(/`[^`]+`/g)).toEqual(usualSecretKeys.map((key) => `\`${key}\``));
});
