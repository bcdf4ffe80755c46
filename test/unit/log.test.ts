import { expect, test } from 'vitest';
import { openLog } from '../../src/cli/log.ts';

const at = () => new Date(2026, 0, 2, 3, 4, 5, 6);

function logged(least: Parameters<typeof openLog>[0], isTTY = false) {
  const lines: string[] = [];
  return { lines, log: openLog(least, { write: (text) => lines.push(text), isTTY }, at) };
}

test('a line each: time, level, message, details as JSON', () => {
  const { lines, log } = logged('debug');
  log('info', 'attached', { process: 12, exe: '/opt/a "b"' });
  log('warn', 'nothing more', {});
  log('debug', 'stopping', { signal: 'SIGTERM' });
  expect(lines).toEqual([
    '[03:04:05.006] INFO: attached {"process":12,"exe":"/opt/a \\"b\\""}\n',
    '[03:04:05.006] WARN: nothing more\n',
    '[03:04:05.006] DEBUG: stopping {"signal":"SIGTERM"}\n',
  ]);
});

test('what is less severe than asked for is not written', () => {
  const { lines, log } = logged('warn');
  log('info', 'no', {});
  log('debug', 'no', {});
  log('warn', 'yes', {});
  expect(lines).toHaveLength(1);
});

test('nothing that a program named drives the terminal', () => {
  const { lines, log } = logged('info', true);
  log('info', 'attached', { exe: '\x1b]0;owned\x07\r\n\u009b\u202e' });
  expect(lines[0]).toContain('\\u001b]0;owned\\u0007\\r\\n\\u009b\\u202e');
  expect(lines[0]!.split('\n')).toHaveLength(2);
});
