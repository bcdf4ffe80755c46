/** Programs that run, but whose files are damaged. The agent says why it leaves them alone, and traces the others. */
import { execFileSync } from 'node:child_process';
import { appendFile, chmod, copyFile, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Report } from '../../src/report.ts';
import { spansOf, useWorld } from '../kernel/go-world.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';

/** Fields of the ELF64 file header, by offset: elf(5). */
const field = { e_shoff: 40, e_shentsize: 58, e_shnum: 60, e_shstrndx: 62 } as const;

async function patch(path: string, edits: readonly [at: number, bytes: Buffer][]): Promise<void> {
  const file = await open(path, 'r+');
  try {
    for (const [at, bytes] of edits) await file.write(bytes, 0, bytes.length, at);
  } finally {
    await file.close();
  }
}

const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer);
const u64 = (value: bigint) => Buffer.from(BigUint64Array.of(value).buffer);

/** End of the last loaded byte of the file. The program does not need what is behind it. */
async function endOfSegments(path: string): Promise<number> {
  const loads = execFileSync('readelf', ['-lW', path])
    .toString()
    .matchAll(/^ +LOAD +(0x\w+) 0x\w+ 0x\w+ (0x\w+)/gm);
  return Math.max(...[...loads].map(([, offset, size]) => Number(offset) + Number(size)));
}

/** What was said of the HTTP server. It means nothing that the fixture lacks other libraries. An unreadable file has no definition. */
function skippedServers(report: Report) {
  return report.skipped.filter(({ definition }) => definition === undefined || definition === 'go/net/http/server');
}

describeKernel('programs with odd files', () => {
  leavesNothingInKernel();
  const world = useWorld();

  const traced: readonly [what: string, change: (path: string) => Promise<void>][] = [
    ['a megabyte of garbage behind the end', (path) => appendFile(path, Buffer.alloc(1 << 20, 0xa5))],
    [
      'no section headers at all, as sstrip leaves it',
      async (path) => {
        await truncate(path, await endOfSegments(path));
        await patch(path, [
          [field.e_shoff, u64(0n)],
          [field.e_shnum, u16(0)],
          [field.e_shstrndx, u16(0)],
        ]);
      },
    ],
    ['section headers at the top of the address space', (path) => patch(path, [[field.e_shoff, u64(~0n)]])],
    ['section headers of 3 bytes', (path) => patch(path, [[field.e_shentsize, u16(3)]])],
    ['65,534 section headers', (path) => patch(path, [[field.e_shnum, u16(0xfffe)]])],
  ];
  test.each(traced)('%s: traced', async (_, change) => {
    const path = await world.binary('1.26', 'normal');
    await change(path);
    const server = await world.server(path);
    const agent = await world.agent({ pids: [server.pid] });
    await get(server.port, '/items/1');
    expect((await spansOf(world.receiver, server.pid, 1))[0]!.name).toBe('GET /items/{id}');
    expect(skippedServers((await agent.stop()).report)).toEqual([]);
  });

  const refused: readonly [what: string, change: (path: string) => Promise<void>, reason: RegExp][] = [
    ['section headers behind the end of the file', (path) => patch(path, [[field.e_shoff, u64(1n << 40n)]]), /E_ELF/],
    [
      'function names overwritten',
      async (path) => {
        const bytes = await readFile(path);
        const name = Buffer.from('net/http.serverHandler.ServeHTTP\0');
        const edits: [number, Buffer][] = [];
        for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
          edits.push([at, Buffer.alloc(name.length - 1, 0xff)]);
        }
        await patch(path, edits);
      },
      /library_absent|symbol_missing/,
    ],
  ];
  test.each(refused)('%s: left alone, with a reason, and others are traced', async (_, change, reason) => {
    const odd = await world.binary('1.26');
    await change(odd);
    const [oddServer, good] = [await world.server(odd), await world.server(await world.binary('1.27'))];
    const agent = await world.agent({ pids: [oddServer.pid, good.pid] });
    for (const server of [oddServer, good]) expect((await get(server.port, '/hello')).status).toBe(200);
    await spansOf(world.receiver, good.pid, 1);
    const { report, stderr } = await agent.stop();
    const skipped = skippedServers(report);
    expect(skipped).toHaveLength(1);
    expect(skipped[0]).toMatchObject({ binary: odd, pids: [oddServer.pid] });
    expect(skipped[0]!.reason).toMatch(reason);
    expect(skipped[0]!.detail.length).toBeGreaterThan(10);
    expect(stderr).not.toMatch(/TypeError|RangeError|at .*\.js:/);
  });

  test('C programs with sections of Go in them', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'uspan-odd-'));
    const started: RunningProcess[] = [];
    try {
      const garbage = join(directory, 'garbage');
      const contents = [
        Buffer.alloc(0),
        Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]), // the magic of Go 1.20 and newer, and nothing behind it
        Buffer.concat([Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]), Buffer.alloc(64, 0xff)]),
        Buffer.alloc(1 << 16, 0x41),
      ];
      const goBuildInfo = Buffer.concat([Buffer.from('\xff Go buildinf:\x08\x02', 'latin1'), Buffer.alloc(64, 0xff)]);
      await writeFile(`${garbage}-info`, goBuildInfo);
      for (const [n, content] of contents.entries()) {
        const program = join(directory, `sleep-${n}`);
        await copyFile('/bin/sleep', program);
        await chmod(program, 0o755);
        await writeFile(garbage, content);
        execFileSync('objcopy', [
          ...['--add-section', `.gopclntab=${garbage}`],
          ...['--add-section', `.go.buildinfo=${garbage}-info`],
          program,
        ]);
        started.push(await startProcess(program, ['1000']));
      }
      const server = await world.server(await world.binary());
      const agent = await world.agent({ pids: [server.pid, ...started.map(({ pid }) => pid)] });
      await get(server.port, '/hello');
      await spansOf(world.receiver, server.pid, 1);
      const { report, stderr } = await agent.stop();
      expect(report.probes.filter(({ moment }) => moment !== 'replied')).toHaveLength(3);
      expect(stderr).not.toMatch(/TypeError|RangeError|at .*\.js:/);
    } finally {
      await Promise.all(started.map((process) => process.stop()));
      await rm(directory, { recursive: true });
    }
  });
});
