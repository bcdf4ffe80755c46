/** The programs of bpf/process.bpf.c and bpf/vma.bpf.c, with /proc as the witness. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { BpfObject } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';
import { Constant, EventHead, EventKind, ProcessEvent, VmaFile } from '../../src/probes/layout.gen.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { buildNativeFixture, describeKernel, type NativeFixture, startTarget } from './native-fixture.ts';

const native = loadNative();
const objects = fileURLToPath(new URL('../../build/bpf', import.meta.url));
const open = (name: string) =>
  native.openObject({ object: readFileSync(join(objects, `${name}.bpf.o`)), name, uprobeMulti: false });

const u32 = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);

let fixture: NativeFixture;
let watch: KernelWatch;
beforeAll(() => {
  fixture = buildNativeFixture();
});
afterAll(() => fixture.remove());
beforeEach(() => {
  watch = watchKernel();
});
afterEach(() => watch.assertNothingLeft());

describeKernel('process events', () => {
  let object: BpfObject;
  let seen: { kind: number; pid: number; tid: number; ktimeNs: bigint; parent: number; port: number; path: string }[];

  /** Collects from now on, by wake-ups alone. */
  const collect = () => {
    object = open('process');
    seen = [];
    const links = [
      object.attachRawTracepoint('process_exec', 'sched_process_exec'),
      object.attachRawTracepoint('process_exit', 'sched_process_exit'),
      object.attachRawTracepoint('process_fork', 'sched_process_fork'),
      object.attachRawTracepoint('process_listen', 'inet_sock_set_state'),
    ];
    const ring = object.ring('process_events');
    const slab = new Uint8Array(ring.sizeBytes);
    const view = new DataView(slab.buffer);
    ring.onWakeup(() => {
      const bytes = ring.drain(slab);
      for (let at = 0; at < bytes; at += view.getUint32(at + EventHead.len, true)) {
        const kind = view.getUint16(at + EventHead.kind, true);
        const isExec = kind === EventKind.PROCESS_EXEC;
        const wholeBytes = isExec ? ProcessEvent.size : Constant.PROCESS_EVENT_HEAD_BYTES;
        expect(view.getUint32(at + EventHead.len, true)).toBe(wholeBytes);
        const pathBytes = view.getUint16(at + ProcessEvent.pathBytes, true);
        seen.push({
          kind,
          parent: view.getUint32(at + ProcessEvent.parent, true),
          port: view.getUint16(at + ProcessEvent.port, true),
          path: Buffer.from(slab.buffer, at + ProcessEvent.path, pathBytes).toString(),
          pid: view.getUint32(at + EventHead.pid, true),
          tid: view.getUint32(at + EventHead.tid, true),
          ktimeNs: view.getBigUint64(at + EventHead.ktimeNs, true),
        });
      }
    });
    return async () => {
      await Promise.all(links.map((link) => link.close()));
      await object.close();
    };
  };
  const of = (pid: number) => seen.filter((event) => event.pid === pid);

  test('tell an exec and the end of each process', async () => {
    const stop = collect();
    const before = process.hrtime.bigint();
    const pids: number[] = [];
    for (let run = 0; run < 20; run++) {
      const child = spawn('/bin/true');
      pids.push(child.pid!);
      await once(child, 'exit');
    }
    for (const pid of pids) {
      await vi.waitFor(() => {
        expect(of(pid).map((event) => event.kind)).toEqual([EventKind.PROCESS_EXEC, EventKind.PROCESS_EXIT]);
      });
      const [exec, exit] = of(pid);
      expect(exec!.ktimeNs).toBeGreaterThan(before);
      expect(exit!.ktimeNs).toBeGreaterThan(exec!.ktimeNs);
      expect(exit!.ktimeNs).toBeLessThan(process.hrtime.bigint());
      expect(exec!.tid).toBe(pid);
      expect(exec!.parent).toBe(process.pid);
      expect(exec!.path.split('\0').reverse().join('/')).toBe(realpathSync('/bin/true'));
    }
    await stop();
  });

  test('tell the end of a process that never started a program of its own', async () => {
    const stop = collect();
    // The shell waits for its copy, which only calls functions of its own.
    const shell = spawn('/bin/bash', ['-c', '( read -r line ) <&0 & wait $!; echo $!'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const said = once(shell.stdout, 'data');
    shell.stdin.end('x\n');
    const fork = Number(String((await said)[0]));
    await once(shell, 'exit');
    await vi.waitFor(() => expect(of(shell.pid!)).toHaveLength(2));
    expect(of(shell.pid!).map((event) => event.kind)).toEqual([EventKind.PROCESS_EXEC, EventKind.PROCESS_EXIT]);
    expect(of(fork).map((event) => event.kind)).toEqual([EventKind.FORK_EXIT]);
    await stop();
  });

  test('tell who listens, and no connection', async () => {
    const stop = collect();
    const server = createServer((socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    for (let n = 0; n < 5; n++) await once(connect(port, '127.0.0.1').resume(), 'close');
    const witness = spawn('/bin/true');
    await once(witness, 'exit');
    await vi.waitFor(() => expect(of(witness.pid!)).toHaveLength(2));
    const listens = seen.filter(({ kind }) => kind === EventKind.PROCESS_LISTEN);
    expect(of(process.pid).map((event) => event.kind)).toEqual([EventKind.PROCESS_LISTEN]);
    expect(listens.filter((event) => event.pid === process.pid).map((event) => event.port)).toEqual([port]);
    server.close();
    await stop();
  });

  test('what a target forks is a target until it ends, what others fork is not', async () => {
    const stop = collect();
    const targets = object.map('targets');
    targets.update(u32(process.pid), u32(1));
    const child = spawn('/bin/sleep', ['1h']);
    await once(child, 'spawn');
    expect(targets.lookup(u32(child.pid!))).toBeDefined();
    targets.delete(u32(process.pid));
    const other = spawn('/bin/sleep', ['1h']);
    await once(other, 'spawn');
    expect(targets.lookup(u32(other.pid!))).toBeUndefined();
    for (const each of [child, other]) {
      each.kill();
      await once(each, 'exit');
    }
    expect(targets.lookup(u32(child.pid!))).toBeUndefined();
    await stop();
  });

  test("tell no thread's end, only the process's", async () => {
    const stop = collect();
    const target = await startTarget(fixture.target);
    for (let thread = 0; thread < 10; thread++) await target.callInThread('first', 1);
    const witness = spawn('/bin/true');
    await once(witness, 'exit');
    await vi.waitFor(() => expect(of(witness.pid!)).toHaveLength(2));
    expect(of(target.pid).map((event) => event.kind)).toEqual([EventKind.PROCESS_EXEC]);
    await target.stop();
    await vi.waitFor(() => {
      expect(of(target.pid).map((event) => event.kind)).toEqual([EventKind.PROCESS_EXEC, EventKind.PROCESS_EXIT]);
    });
    await stop();
  });
});

describeKernel(
  'iterator vma_files',
  () => {
    const parse = (bytes: Uint8Array) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      expect(bytes.byteLength % VmaFile.size).toBe(0);
      return Array.from({ length: bytes.byteLength / VmaFile.size }, (_, index) => {
        const at = index * VmaFile.size;
        const u64 = (offset: number) => view.getBigUint64(at + offset, true);
        const dev = view.getUint32(at + VmaFile.dev, true);
        return {
          start: u64(VmaFile.start),
          end: u64(VmaFile.end),
          offset: u64(VmaFile.offsetPages) * 4096n,
          ino: u64(VmaFile.ino),
          dev: `${dev >>> 20}:${dev & 0xfffff}`,
          pid: view.getUint32(at + VmaFile.pid, true),
        };
      });
    };
    /** The same from /proc/PID/maps. They are equal only if no mapping is of an overlayfs. */
    const fromProc = (pid: number) =>
      [...readFileSync(`/proc/${pid}/maps`, 'utf8').matchAll(/^(\w+)-(\w+) ..x. (\w+) (\w+):(\w+) (\d+) +\/.*$/gm)].map(
        ([, start, end, offset, major, minor, ino]) => ({
          start: BigInt(`0x${start}`),
          end: BigInt(`0x${end}`),
          offset: BigInt(`0x${offset}`),
          ino: BigInt(ino!),
          dev: `${Number.parseInt(major!, 16)}:${Number.parseInt(minor!, 16)}`,
          pid,
        }),
      );

    test('lists the executable file mappings of one process as /proc does', async () => {
      const object = open('vma');
      const target = await startTarget(fixture.target);
      object.map('vma_pid').update(u32(0), u32(target.pid));
      const expected = fromProc(target.pid);
      expect(expected.length).toBeGreaterThan(1);
      expect(expected.some(({ ino }) => ino === statSync(fixture.target, { bigint: true }).ino)).toBe(true);
      // By the link's parameter, and by the program's own filter.
      expect(parse(object.runIterator('vma_files', 1 << 20, target.pid))).toEqual(expected);
      expect(parse(object.runIterator('vma_files', 1 << 20))).toEqual(expected);
      await target.stop();
      await object.close();
    });

    test('lists all processes without a pid, and refuses to cut', async () => {
      const object = open('vma');
      const target = await startTarget(fixture.target);
      const all = parse(object.runIterator('vma_files', 16 << 20));
      expect(all.filter(({ pid }) => pid === target.pid)).toEqual(fromProc(target.pid));
      expect(new Set(all.map(({ pid }) => pid)).size).toBeGreaterThan(1);
      expect(() => object.runIterator('vma_files', VmaFile.size)).toThrow(
        expect.objectContaining({ code: 'E_NATIVE', errno: 27 }),
      );
      await target.stop();
      await object.close();
    });

    test('a process that is gone: nothing', async () => {
      const object = open('vma');
      const child = spawn('/bin/true');
      await once(child, 'exit');
      object.map('vma_pid').update(u32(0), u32(child.pid!));
      expect(object.runIterator('vma_files', 1 << 20, child.pid).byteLength).toBe(0);
      await object.close();
    });
  },
  'iterTaskVma',
);
