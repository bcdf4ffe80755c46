/** What a command prints is written before it exits, or it says so. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { runProcess } from '../support/process.ts';

const module = (name: string) => JSON.stringify(resolve(import.meta.dirname, '../../src/cli', name));
const program = (body: string) => `
  const { stdout } = await import(${module('stdout.ts')});
  const { stderr } = await import(${module('stderr.ts')});
  ${body}
`;
/** As main.ts ends a command. */
const finish = (withinMs: number | undefined) => `
  stderr.printLines(['printed']);
  await stdout.finish(${withinMs}).catch((error) => {
    stderr.printLines([error.code + ': ' + error.message]);
    process.exit(1);
  });
  process.exit(0);
`;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Runs a program whose output nobody reads yet. */
async function printedBy(body: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program(body)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const said = text(child.stderr);
  const exited = once(child, 'exit');
  return { child, said, exited };
}

test('a pipe gets all of it, however late its reader reads', async () => {
  const { child, said, exited } = await printedBy(`stdout.printJson('x'.repeat(3_000_000)); ${finish(undefined)}`);
  await once(child.stderr!, 'data');
  expect(await text(child.stdout!)).toHaveLength(3_000_003);
  expect((await exited)[0]).toBe(0);
  expect(await said).toBe('printed\n');
});

test('a reader that does not read is an error, not a run without end', async () => {
  const { said, exited } = await printedBy(`stdout.printJson('x'.repeat(3_000_000)); ${finish(100)}`);
  expect((await exited)[0]).toBe(1);
  expect(await said).toMatch(
    /^printed\nE_OUTPUT: stdout could not be written: its reader has left \d+ bytes unread\n$/,
  );
});

test('what waits for a reader is bounded', async () => {
  const body = `
    const taken = Array.from({ length: 40 }, () => stdout.write('x'.repeat(1_000_000)));
    stderr.printLines([String(taken.filter(Boolean).length)]);
    process.exit(0);
  `;
  const { said, exited } = await printedBy(body);
  await exited;
  expect(Number(await said)).toBeGreaterThan(10);
  expect(Number(await said)).toBeLessThan(25);
});

test('a reader that goes away is no error', async () => {
  const { child, said, exited } = await printedBy(`stdout.printJson('x'.repeat(3_000_000)); ${finish(undefined)}`);
  child.stdout!.destroy();
  expect((await exited)[0]).toBe(0);
  expect(await said).toBe('printed\n');
});

test('a full disk is an error, for a device and for a file that takes a part', async () => {
  const body = program(`stdout.printJson('x'.repeat(100_000)); ${finish(undefined)}`);
  for (const line of [
    'exec "$0" --input-type=module --eval "$1" >/dev/full',
    'ulimit -f 8; f=$(mktemp); trap "rm $f" EXIT; "$0" --input-type=module --eval "$1" >$f',
  ]) {
    const { code, stderr } = await runProcess('bash', ['-c', line, process.execPath, body]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^printed\nE_OUTPUT: stdout could not be written: (ENOSPC|EFBIG)/);
  }
});

test('stderr that cannot be written ends nothing', async () => {
  const body = program(`stderr.printLines(['x'.repeat(100_000)]); stdout.printLines(['here']); ${finish(undefined)}`);
  const line = 'exec "$0" --input-type=module --eval "$1" 2>/dev/full';
  expect(await runProcess('bash', ['-c', line, process.execPath, body])).toMatchObject({ code: 0, stdout: 'here\n' });
});
