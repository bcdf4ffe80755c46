/** What is read from /proc, for real processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readEnviron } from '../../src/discovery/processes/environ.ts';
import { listeningPorts, parseListening } from '../../src/discovery/processes/listening-ports.ts';
import { nulSeparated, readProcFile } from '../../src/discovery/processes/proc-file.ts';
import { parseProcStat } from '../../src/discovery/processes/proc-stat.ts';
import { readProcess } from '../../src/discovery/processes/read-process.ts';
import { scanProcesses } from '../../src/discovery/processes/scan-processes.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-proc-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs `cat`, which waits for the end of its input, from a path and with an environment of its own. */
async function withCat<T>(path: string, env: Record<string, string>, look: (pid: number) => T): Promise<T> {
  const child = spawn(path, ['-', 'second argument'], { env, stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  try {
    return look(child.pid!);
  } finally {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
  }
}

describe('readProcess', () => {
  test('this process', () => {
    const facts = readProcess(process.pid)!;
    const { dev, ino } = statSync(process.execPath, { bigint: true });
    expect(facts).toMatchObject({
      pid: process.pid,
      ppid: process.ppid,
      uid: process.getuid!(),
      exe: { path: process.execPath, deleted: false, dev, ino },
    });
    expect(facts.argv).toEqual(readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1));
  });

  test('start time counts from boot', () => {
    const upNs = BigInt(Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1e9));
    const ageNs = upNs - readProcess(process.pid)!.startBootNs;
    const expectedNs = process.uptime() * 1e9;
    // Not a measurement: a wrong clock or unit is wrong by far more than ten seconds.
    expect(Math.abs(Number(ageNs) - expectedNs)).toBeLessThan(10e9);
  });

  test('arguments and a program name with spaces and parentheses', async () => {
    const path = join(directory, 'a) R (b');
    copyFileSync('/bin/cat', path);
    const facts = await withCat(path, {}, readProcess);
    expect(facts).toMatchObject({ ppid: process.pid, comm: 'a) R (b', exe: { path, deleted: false } });
    expect(facts!.argv).toEqual([path, '-', 'second argument']);
  });

  test('a program whose file is gone', async () => {
    const path = join(directory, 'gone');
    copyFileSync('/bin/cat', path);
    const { ino } = statSync(path, { bigint: true });
    const facts = await withCat(path, {}, (pid) => {
      rmSync(path);
      return readProcess(pid);
    });
    expect(facts!.exe).toMatchObject({ path, deleted: true, ino });
  });

  test('the executable behind a symbolic link', async () => {
    const path = join(directory, 'target');
    copyFileSync('/bin/cat', path);
    symlinkSync(path, join(directory, 'link'));
    const facts = await withCat(join(directory, 'link'), {}, readProcess);
    expect(facts!.exe!.path).toBe(path);
  });

  test('no such process', () => {
    expect(readProcess(2 ** 22 + 1)).toBeUndefined();
    expect(readProcess(0)).toBeUndefined();
    expect(readProcess(-1)).toBeUndefined();
  });

  test('a zombie', async () => {
    // Once the shell has become `cat`, nothing waits for its child any more.
    const shell = spawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = await once(shell.stdout, 'data');
    const pid = Number(String(line));
    while (readProcess(shell.pid!)?.comm !== 'cat') await new Promise(setImmediate);
    process.kill(pid, 'SIGKILL');
    while (parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.state !== 'Z') await new Promise(setImmediate);
    expect(readProcess(pid)).toBeUndefined();
    shell.stdin.end();
    await once(shell, 'exit');
  });
});

describe('scanProcesses', () => {
  test('finds this process and its parent once, in order, without kernel threads', () => {
    const found = scanProcesses();
    const pids = found.map((facts) => facts.pid);
    expect(pids.filter((pid) => pid === process.pid)).toHaveLength(1);
    expect(pids).toContain(process.ppid);
    expect(pids).toEqual([...pids].sort((a, b) => a - b));
    expect(found.map((facts) => facts.comm)).not.toContain('kthreadd');
  });

  test('survives processes that come and go', async () => {
    const churn = spawn('/bin/sh', ['-c', 'while true; do /bin/true; done'], { stdio: 'ignore' });
    await once(churn, 'spawn');
    for (let round = 0; round < 50; round++) {
      for (const facts of scanProcesses()) expect(facts.pid).toBeGreaterThan(0);
    }
    churn.kill();
    await once(churn, 'exit');
  });
});

describe('listeningPorts', () => {
  test('IPv4 and IPv6 listeners of this process, not its other sockets', async () => {
    const servers = [createServer().listen(0, '127.0.0.1'), createServer().listen(0, '::1')];
    await Promise.all(servers.map((server) => once(server, 'listening')));
    const ports = servers.map((server) => (server.address() as { port: number }).port);
    expect(listeningPorts(process.pid)).toEqual(expect.arrayContaining(ports));
    expect(await withCat('/bin/cat', {}, listeningPorts)).toEqual([]);
    await Promise.all(servers.map((server) => once(server.close(), 'close')));
    expect(listeningPorts(process.pid)).not.toEqual(expect.arrayContaining([ports[0]]));
  });

  test('a table with other states and broken lines', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
      '   1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 42 1 0',
      '   2: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0',
      '   3: 0100007F',
      '',
    ].join('\n');
    expect([...parseListening(table)]).toEqual([
      ['4711', 8080],
      ['42', 22],
    ]);
  });
});

describe('small readers', () => {
  test('environ of another process; the first of two values counts', async () => {
    const environ = await withCat('/bin/cat', { OTEL_SERVICE_NAME: 'shop', EMPTY: '', EQUALS: 'a=b' }, readEnviron);
    expect([...environ]).toEqual([
      ['OTEL_SERVICE_NAME', 'shop'],
      ['EMPTY', ''],
      ['EQUALS', 'a=b'],
    ]);
    expect(readEnviron(2 ** 22 + 1).size).toBe(0);
  });

  test('a file is read up to the limit', () => {
    const whole = readFileSync('/proc/self/status');
    expect(readProcFile('/proc/self/status', 10)!.equals(whole.subarray(0, 10))).toBe(true);
    const large = readFileSync('/proc/kallsyms');
    expect(readProcFile('/proc/kallsyms', 100_000)!.equals(large.subarray(0, 100_000))).toBe(true);
    expect(readProcFile('/proc/self/none', 10)).toBeUndefined();
    expect(readProcFile('/proc/self/fd', 10)).toBeUndefined();
  });

  test('a string that was cut off is left out', () => {
    expect(nulSeparated(Buffer.from('a\0bc\0'), true)).toEqual(['a', 'bc']);
    expect(nulSeparated(Buffer.from('a\0bc'), true)).toEqual(['a', 'bc']);
    expect(nulSeparated(Buffer.from('a\0b'), false)).toEqual(['a']);
    expect(nulSeparated(Buffer.from(''), true)).toEqual([]);
  });

  test.each(['', '1 cat R', '1 (cat', ')1(', '1 (cat) R x', '1 (cat) R 1 1 1 1 1 f 0 0 0 0 0 0 0 0 0 0 0 x'])(
    'stat %j is refused',
    (text) => expect(parseProcStat(text)).toBeUndefined(),
  );
});
