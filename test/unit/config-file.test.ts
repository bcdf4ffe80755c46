import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { UspanError } from '../../src/contract/errors.ts';
import { argumentTypes as pairTypes } from '../../src/probes/pair/pair.ts';
import { parseConfig } from '../../src/settings/config-file.ts';
import { readSettings, settingsOf } from '../../src/settings/read-settings.ts';
import type { Settings } from '../../src/settings/table.ts';
import { argumentTypes } from '../../src/settings/user-probe.ts';

const minimal = `probes:
  - span: checkout
    usdt: { provider: shop, start: checkout__start, end: checkout__done }
`;

type FromFile = Pick<Settings, 'probes' | 'without'>;

/** What a file says about probes. */
function read(text: string): FromFile {
  const { probes, without } = settingsOf({ environment: {}, file: parseConfig(text, 'u.yaml') });
  return { probes, without };
}

/** `file:line:column`, then what is wrong. */
async function refused(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    expect(error).toBeInstanceOf(UspanError);
    expect((error as UspanError).code).toBe('E_CONFIG');
    expect(exitCodeOf(error)).toBe(2);
    const { on, message, cause } = error as UspanError;
    return `${on} ${message}${cause instanceof Error ? `: ${cause.message}` : ''}`;
  }
  throw new Error('accepted');
}

test('the least', () => {
  expect(read(minimal)).toEqual({
    without: [],
    probes: [
      {
        template: 'checkout',
        spanName: ['checkout'],
        provider: 'shop',
        start: 'checkout__start',
        during: undefined,
        end: 'checkout__done',
        file: undefined,
        arguments: [],
        minDurationNs: 0,
        maxPerSecond: 0,
      },
    ],
  });
});

test('everything', () => {
  const text = `
# a comment
without: [jvm/gc, "go/*"]
probes:
  - span: "checkout {user}: {total}!"
    usdt: { provider: shop, start: open, during: step, end: close }
    in: { file: "libshop*.so" }
    args:
      user: { arg: 0, type: string, length: 1 }
      shop.step: { of: during, arg: 2, type: pointer }
      total:
        of: end
        arg: 11
        type: f64
    min_duration: 1.5ms
    max_per_second: 50
`;
  expect(read(text)).toEqual({
    without: ['jvm/gc', 'go/*'],
    probes: [
      {
        template: 'checkout {user}: {total}!',
        spanName: ['checkout ', 0, ': ', 2, '!'],
        provider: 'shop',
        start: 'open',
        during: 'step',
        end: 'close',
        file: 'libshop*.so',
        arguments: [
          { name: 'user', of: 'start', argument: 0, type: 'string', lengthArgument: 1 },
          { name: 'shop.step', of: 'during', argument: 2, type: 'pointer', lengthArgument: undefined },
          { name: 'total', of: 'end', argument: 11, type: 'f64', lengthArgument: undefined },
        ],
        minDurationNs: 1_500_000,
        maxPerSecond: 50,
      },
    ],
  });
});

test.each(['', '# nothing\n', 'probes: []\n', '{}\n'])('%j is a file that says nothing', (text) => {
  expect(read(text)).toEqual({ probes: [], without: [] });
});

test('its types of arguments are those of the definitions', () => {
  expect([...argumentTypes]).toEqual([...pairTypes]);
});

const span = (more: string) => `${minimal}    ${more}\n`;

describe.each([
  ['- a\n', 'u.yaml:1:1 the file must be a mapping of keys to values'],
  [
    'probe: []\n',
    'u.yaml:1:1 probe is none of targets, single_step, instrumented, allow_second, without, probes, service_name, limits, ',
  ],
  ['probes: 3\n', 'u.yaml:1:9 probes must be a list'],
  ['probes:\n  - 3\n', 'u.yaml:2:5 probes[0] must be a mapping'],
  ['probes:\n  - span: x\n', 'u.yaml:2:5 probes[0] has no usdt'],
  ['probes:\n  - usdt: {}\n', 'u.yaml:2:5 probes[0] has no span'],
  [
    'probes:\n  - span: x\n    usdt: { provider: a, start: b }\n',
    'u.yaml:3:11 probes[0].usdt must have provider, start and end',
  ],
  [
    'probes:\n  - span: [x]\n    usdt: { provider: a, start: b, end: c }\n',
    'u.yaml:2:11 probes[0].span must be a text',
  ],
  ['probes:\n  - span: x\n   usdt: {}\n', 'u.yaml:'],
  ['probes: [\n', 'u.yaml:2:1 '],
  ['a: 1\na: 2\n', 'u.yaml:2:1 Map keys must be unique'],
  ['x: &a [1]\nprobes: *a\n', 'u.yaml:1:1 x is none of'],
  ['probes: &a [*a]\n', 'u.yaml:1:13 probes[0] must be a mapping'],
  ['without: jvm\n', 'u.yaml:1:10 without must be a list'],
  [span('min_duration: 5'), 'u.yaml:4:19 probes[0].min_duration must be a duration such as 250us'],
  [span('min_duration: -5ms'), 'probes[0].min_duration must be a duration'],
  [span('max_per_second: 0'), 'u.yaml:4:21 probes[0].max_per_second must be a whole number from 1 to 1000000'],
  [span('max_per_second: fast'), 'probes[0].max_per_second must be a whole number'],
  [span('in: { exe: x }'), 'u.yaml:4:11 probes[0].in.exe is none of file'],
  [span('in:'), 'probes[0].in must be a mapping'],
  [span('args: { a: { arg: 0 } }'), 'u.yaml:4:16 probes[0].args.a must have arg, its number from 0, and type'],
  [span('args: { a: { arg: 12, type: i32 } }'), 'probes[0].args.a.arg must be a whole number from 0 to 11'],
  [span('args: { a: { arg: 0, type: int } }'), 'probes[0].args.a.type must be one of i8, i16'],
  [span('args: { a: { arg: 0, type: i32, of: middle } }'), 'probes[0].args.a.of must be one of start, during, end'],
  [span('args: { a: { arg: 0, type: i32, of: during } }'), 'probes[0].usdt has no during'],
  [span('args: { a: { arg: 0, type: i32, length: 1 } }'), 'probes[0].args.a.length is for strings only'],
  [span(`args: { ${'x'.repeat(128)}: { arg: 0, type: i32 } }`), 'has a name of more than 127 bytes'],
  [
    span(`args: { ${Array.from({ length: 13 }, (_, n) => `a${n}: { arg: 0, type: i32 }`).join(', ')} }`),
    'probes[0].args has more than 12 arguments',
  ],
  [minimal.replace('checkout\n', '"checkout {user}"\n'), 'probes[0].span names {user}, which is none of its args'],
  [minimal.replace('checkout\n', '"checkout {user"\n'), 'probes[0].span has a brace without its other'],
])('%j', (text, message) => {
  test('is refused with its place', async () => {
    expect(await refused(() => read(text))).toContain(message);
  });
});

test('what is no regular file is refused at once: nobody may ever write into it, and it may never end', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-config-'));
  try {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const path of [fifo, directory, '/dev/zero', '/dev/tty', '/dev/stdin']) {
      expect(await refused(() => readSettings({ configFile: path }, {})), path).toContain('cannot be read');
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a file that is not there, or too large', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-config-'));
  try {
    const path = join(directory, 'u.yaml');
    expect(await refused(() => readSettings({ configFile: path }, {}))).toContain('cannot be read');
    writeFileSync(path, ' '.repeat(1_100_000));
    expect(await refused(() => readSettings({ configFile: path }, {}))).toContain('more than 1048576 bytes');
    truncateSync(path, 2 ** 40);
    expect(await refused(() => readSettings({ configFile: path }, {}))).toContain('more than 1048576 bytes');
    writeFileSync(path, minimal);
    expect((await readSettings({ configFile: path }, {})).probes).toHaveLength(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
