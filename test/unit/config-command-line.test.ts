import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { commands, flagsOf } from '../../src/cli/flags.ts';
import { UspanError } from '../../src/contract/errors.ts';
import type { Settings } from '../../src/settings/table.ts';
import { readRun } from '../support/settings.ts';

const line = (text: string) => (text === '' ? [] : text.split(' '));

/** What parseCommandLine throws, as a usage error. */
function refused(text: string): string {
  try {
    parseCommandLine(line(text));
  } catch (error) {
    expect(error).toBeInstanceOf(UspanError);
    expect(exitCodeOf(error)).toBe(2);
    return (error as UspanError).message;
  }
  throw new Error(`accepted: ${text}`);
}

/** Of the flags of `run`. */
const runDefaults = {
  pids: [],
  exeGlobs: [],
  ports: [],
  excludeExeGlobs: [],
  allowSingleStep: false,
  allowInstrumented: false,
  allowSecond: false,
  without: [],
  configFile: undefined,
  serviceName: undefined,
  console: false,
  json: false,
  reportFile: undefined,
  maxInFlight: 16384,
  maxPathBytes: 1024,
  maxStatementBytes: 4096,
  ringBytes: 4 * 1024 * 1024,
  redactedQueryKeys: ['default'],
  logLevel: 'info',
} as const satisfies Partial<Settings>;

describe('parseCommandLine', () => {
  test('defaults', () => {
    expect(parseCommandLine(['run'])).toEqual({ command: 'run', options: {}, given: {} });
    expect(readRun('')).toMatchObject(runDefaults);
    expect(Object.keys(runDefaults).sort()).toEqual([...commands.run.settings].sort());
    expect(parseCommandLine(['doctor'])).toEqual({ command: 'doctor', options: { json: false }, given: {} });
    expect(parseCommandLine(['demo'])).toEqual({
      command: 'demo',
      options: { durationSeconds: 20, json: false },
      given: {},
    });
  });

  test.each<[string, Partial<Settings>]>([
    ['run --pid 3 --pid 4', { pids: [3, 4] }],
    ['run --exe */shop --exe=/opt/*', { exeGlobs: ['*/shop', '/opt/*'] }],
    ['run --port 80 --port 65535', { ports: [80, 65535] }],
    ['run --exclude-exe sshd', { excludeExeGlobs: ['sshd'] }],
    ['run --single-step --instrumented', { allowSingleStep: true, allowInstrumented: true }],
    ['run --service-name shop', { serviceName: 'shop' }],
    ['run --console --report /tmp/r.json', { console: true, reportFile: '/tmp/r.json' }],
    ['run --json --log-level debug', { json: true, logLevel: 'debug' }],
    ['run --max-in-flight 64 --max-path-bytes 8192', { maxInFlight: 64, maxPathBytes: 8192 }],
    ['run --config /etc/uspan.yaml --without jvm/*', { configFile: '/etc/uspan.yaml', without: ['jvm/*'] }],
    ['run --ring-bytes 65536', { ringBytes: 65536 }],
  ])('%s', (text, given) => {
    expect(parseCommandLine(line(text))).toEqual({ command: 'run', options: {}, given });
    expect(readRun(text.slice('run '.length))).toMatchObject({ ...runDefaults, ...given });
  });

  test('discover', () => {
    expect(parseCommandLine(line('discover --explain --json --pid 1'))).toMatchObject({
      command: 'discover',
      options: { explain: true, json: true },
      given: { pids: [1] },
    });
  });

  test.each([
    ['run --pid x', '--pid is "x", but must be a whole number from 1 to 4194304'],
    ['run --pid 0', '--pid is "0"'],
    ['run --pid 1.5', '--pid is "1.5"'],
    ['run --pid 1e3', '--pid is "1e3"'],
    ['run --pid -1', '--pid is "-1"'],
    ['run --pid 99999999999999999999', 'from 1 to 4194304'],
    ['run --port 65536', '--port is "65536", but must be a whole number from 1 to 65535'],
    ['run --max-in-flight 1', '--max-in-flight'],
    ['run --max-path-bytes 8193', 'from 16 to 8192'],
    ['run --ring-bytes 100000', '--ring-bytes is "100000", but must be a power of two'],
    ['run --ring-bytes 32768', 'from 65536'],
    ['run --log-level loud', 'one of fatal, error, warn, info, debug, trace'],
    ['run --exe=', '--exe is ""'],
    [`run --exe ${'x'.repeat(2000)}`, 'at most 1024 characters'],
    ['demo --duration 0', '--duration'],
    ['run --pid', "'--pid <n>' argument missing"],
    ['run --console --json', "'--console' cannot be used with option '--json'"],
    ['run --pidd 3', "unknown option '--pidd' (Did you mean --pid?)"],
    ['rnu', "unknown command 'rnu' (Did you mean run?)"],
    ['run shop', 'too many arguments'],
    ['--json', "unknown option '--json'"],
    ['doctor --pid 1', "unknown option '--pid'"],
  ])('%s is refused', (text, message) => {
    expect(refused(text)).toContain(message);
  });

  test('a long wrong value is not repeated whole', () => {
    expect(refused(`run --pid ${'9'.repeat(100_000)}`).length).toBeLessThan(300);
  });

  test.each(['', '--help', '-h'])('"%s" lists the commands', (text) => {
    const request = parseCommandLine(line(text));
    expect(request.command).toBe('print');
    for (const [name, { summary }] of Object.entries(commands)) {
      expect((request as { text: string }).text).toMatch(new RegExp(`^  ${name} .*${summary}$`, 'm'));
    }
  });

  test.each(Object.entries(commands))('%s --help lists its flags', (name, spec) => {
    const request = parseCommandLine([name, '--help']) as { text: string };
    expect(request.text).toContain('--help');
    for (const [, { flag }] of flagsOf(spec)) expect(request.text).toContain(`  ${flag} `);
  });

  test.each(['--version', '-V'])('%s', (text) => {
    expect(parseCommandLine([text])).toEqual({ command: 'version' });
  });
});
