import { describe, expect, test } from 'vitest';
import { hostEnd, knownMethod, pathStart, port, queryMark } from '../../src/semconv/http-text.ts';

/** `text` between two walls of bytes that would change every answer if the code looked at them. */
function walled(text: string, before = '/?:', after = '//[]:=&?80') {
  const bytes = Buffer.from(before + text + after, 'latin1');
  return [bytes, before.length, before.length + Buffer.byteLength(text, 'latin1')] as const;
}

describe('knownMethod', () => {
  const known = (text: string) => {
    const [bytes, from, to] = walled(text);
    return knownMethod(bytes, from, to - from);
  };

  test.each(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'QUERY'])(
    '%s',
    (method) => {
      expect(known(method)).toBe(method);
    },
  );

  test.each(['', 'G', 'GE', 'GETT', 'get', 'Get', 'PROPFIND', 'PURGE', 'PUTT', 'OPTIONX'])('%j is none', (method) => {
    expect(known(method)).toBeUndefined();
  });
});

describe('pathStart and queryMark', () => {
  const split = (target: string) => {
    const [bytes, from, to] = walled(target);
    const path = pathStart(bytes, from, to);
    const mark = queryMark(bytes, path, to);
    return [bytes.subarray(path, mark).toString('latin1'), bytes.subarray(mark + 1, to).toString('latin1')];
  };

  test.each([
    ['/', '/', ''],
    ['/a/b?x=1&y=2', '/a/b', 'x=1&y=2'],
    ['/?', '/', ''],
    ['/a?b?c', '/a', 'b?c'],
    ['//host/a', '//host/a', ''],
    ['/a://b', '/a://b', ''],
    // Clients send no fragment. Go takes the sign as part of the path.
    ['/a#frag?x', '/a#frag', 'x'],
    ['*', '*', ''],
    ['http://example.com/a?x=1', '/a', 'x=1'],
    ['http://user:secret@example.com:80/a', '/a', ''],
    ['http://[::1]:80/a', '/a', ''],
    ['http://example.com', '', ''],
    ['http://example.com?x=/1', '', 'x=/1'],
    ['http://', '', ''],
    ['example.com:443', '', ''],
    ['[::1]:443', '', ''],
    ['example.com', '', ''],
    ['a:', '', ''],
    ['a:/', '', ''],
  ])('%s', (target, path, query) => {
    expect(split(target)).toEqual([path, query]);
  });
});

describe('hostEnd', () => {
  test.each([
    ['example.com', 'example.com'],
    ['example.com:80', 'example.com'],
    ['example.com:', 'example.com'],
    ['[::1]', '[::1]'],
    ['[::1]:80', '[::1]'],
    ['[fe80::1%25eth0]:80', '[fe80::1%25eth0]'],
    ['[::1', '[::1'],
    [':80', ''],
    ['', ''],
  ])('%s', (host, expected) => {
    const [bytes, from, to] = walled(host);
    expect(bytes.subarray(from, hostEnd(bytes, from, to)).toString()).toBe(expected);
  });
});

describe('port', () => {
  test.each([
    ['1', 1],
    ['80', 80],
    ['08080', 8080],
    ['65535', 65535],
    ['65536', -1],
    ['99999', -1],
    ['123456', -1],
    ['0', -1],
    ['', -1],
    ['8o', -1],
    ['-1', -1],
    ['+1', -1],
    [' 1', -1],
  ])('%j', (text, expected) => {
    const [bytes, from, to] = walled(text, '9', '9');
    expect(port(bytes, from, to)).toBe(expected);
  });

  test('a range that ends before it begins has none', () => {
    expect(port(Buffer.from('80'), 1, 0)).toBe(-1);
  });
});
