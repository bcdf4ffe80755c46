/**
 * Uses the addon in a process of its own: `node native-exercise.ts SCENARIO DIRECTORY FIRST_OFFSET`, for native-lifetime.test.ts. DIRECTORY
 * has the fixture's target and probe.bpf.o. Prints "done" if the scenario went right.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { loadNative } from '../../src/native.ts';

const [scenario, directory, offset] = process.argv.slice(2) as [string, string, string];
const target = join(directory, 'target');
const native = loadNative();
const multi = native.probeFeature('uprobeMulti').supported;

function open(uprobeMulti = multi) {
  return native.openObject({
    object: readFileSync(join(directory, 'probe.bpf.o')),
    name: 'probe',
    uprobeMulti,
    rodata: { wake: new Uint8Array([1, 0, 0, 0]) },
  });
}

function attach(object: ReturnType<typeof open>) {
  return object.attachUprobes({
    program: 'record_hit',
    path: target,
    offsets: new BigUint64Array([BigInt(offset)]),
    cookies: new BigUint64Array([5n]),
  });
}

async function callFirst(calls: number) {
  const child = spawn(target, { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(`${calls} first\n`);
  await once(child, 'close');
}

async function until(what: string, condition: () => boolean) {
  for (const deadline = Date.now() + 60_000; !condition(); ) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await sleep(10);
  }
}

function expectError(code: string, act: () => unknown) {
  try {
    act();
  } catch (error) {
    if ((error as { code?: string }).code === code) return;
    throw error;
  }
  throw new Error(`expected ${code}`);
}

/** Every handle, used, closed twice, used again. */
async function everything(uprobeMulti: boolean) {
  const object = open(uprobeMulti);
  const link = attach(object);
  const ring = object.ring('ring');
  let woken = 0;
  ring.onWakeup(() => woken++);
  ring.onWakeup(() => woken++);
  await callFirst(60);
  await until('a wake-up', () => woken > 0);
  const slab = new Uint8Array(100);
  let bytes = 0;
  for (let got = ring.drain(slab); got > 0; got = ring.drain(slab)) bytes += got;
  if (bytes !== 60 * 40) throw new Error(`${bytes} bytes instead of 60 records`);
  object.map('hits').update(new Uint8Array(8), new Uint8Array(8));
  object.map('hits').keys();
  object.map('hits').entries();
  object.testRun('add', new Uint8Array(8));
  expectError('E_ATTACH', () =>
    object.attachUprobes({
      program: 'record_hit',
      path: target,
      offsets: new BigUint64Array([BigInt(offset), 1n << 40n]),
      cookies: new BigUint64Array(2),
    }),
  );
  expectError('E_BPF_LOAD', () =>
    native.openObject({
      object: readFileSync(join(directory, 'broken.bpf.o')),
      name: 'broken',
      uprobeMulti,
    }),
  );
  const map = object.map('hits');
  await Promise.all([link.close(), object.close(), link.close(), object.close()]);
  ring.close();
  expectError('E_NATIVE', () => ring.drain(slab));
  expectError('E_NATIVE', () => map.keys());
  expectError('E_NATIVE', () => object.ring('ring'));
}

function mapAndTruncate() {
  const path = join(directory, `shrinks-${process.pid}`);
  writeFileSync(path, new Uint8Array(1 << 16).fill(1));
  const mapped = native.mapFile(path, 1 << 20);
  truncateSync(path, 100);
  if (mapped.bytes[60_000] !== 0 || !mapped.faulted()) throw new Error('the shrunk file was not noticed');
  mapped.close();
  mapped.close();
  expectError('E_FILE_READ', () => native.mapFile(directory, 1));
}

const scenarios: Record<string, () => Promise<void> | void> = {
  async everything() {
    for (let round = 0; round < 3; round++) {
      await everything(multi);
      await everything(false);
      mapAndTruncate();
      native.releaseMemory();
    }
    native.capabilities();
    native.clockOffsetNs();
    for (const name of ['btf', 'ringbuf', 'bpfLoop', 'rawTracepoint', 'iterTaskVma', 'copyFromUserStr'] as const) {
      native.probeFeature(name);
    }
  },

  /** Nothing is closed by hand. The collector closes handles, also while others of the same object are in use. */
  async gc() {
    const gc = global.gc!;
    let object: ReturnType<typeof open> | undefined = open();
    const ring = object.ring('ring');
    let link: ReturnType<typeof attach> | undefined = attach(object);
    const refs = [new WeakRef(object)];
    object = undefined;
    await nextTurn();
    gc();
    await callFirst(3);
    // Link and ring keep the object loaded.
    if (ring.drain(new Uint8Array(1000)) !== 120) throw new Error('the link did not outlive the object handle');
    refs.push(new WeakRef(link) as never);
    link = undefined;
    native.mapFile(target, 1 << 20).bytes[0];
    await until('collection', () => {
      gc();
      return refs.every((ref) => ref.deref() === undefined);
    });
  },

  /** Links, object, ring and watcher are left open at a plain end… */
  'end-open'() {
    const object = open();
    attach(object);
    object.ring('ring').onWakeup(() => {});
  },

  /** …and at process.exit(), one of them while it is being closed. */
  'exit-open'() {
    const object = open();
    void attach(object).close();
    const kept = [attach(object), attach(object)];
    object.ring('ring').onWakeup(() => {});
    console.log(kept.length === 2 ? 'done' : '');
    process.exit(0);
  },

  /** A SIGBUS that is not about a mapped file ends the process as it would without the addon. */
  async 'foreign-sigbus'() {
    mapAndTruncate();
    process.kill(process.pid, 'SIGBUS');
    await sleep(60_000);
  },

  /** Waits until it is killed. */
  async 'killed-open'() {
    const object = open();
    const link = attach(object);
    console.log('attached');
    await sleep(120_000);
    await link.close();
  },

  /** A worker thread ends with everything open. */
  async worker() {
    if (isMainThread) {
      for (let round = 0; round < 3; round++) {
        const worker = new Worker(fileURLToPath(import.meta.url), { argv: ['worker', directory, offset] });
        const [code] = await once(worker, 'exit');
        if (code !== 0) throw new Error(`worker ended with ${code}`);
      }
      await everything(multi);
      return;
    }
    const object = open();
    attach(object);
    object.ring('ring').onWakeup(() => {});
    native.mapFile(target, 1 << 20);
  },

  /** An error in a callback is an uncaught exception, and the next wake-up still comes. */
  async 'throwing-callback'() {
    const object = open();
    const link = attach(object);
    const caught: unknown[] = [];
    process.on('uncaughtException', (error) => caught.push(error.message));
    object.ring('ring').onWakeup(() => {
      throw new Error(`thrown ${caught.length}`);
    });
    await callFirst(1);
    await until('first exception', () => caught.length === 1);
    await callFirst(1);
    await until('second exception', () => caught.length === 2);
    await link.close();
    await object.close();
  },
};

await scenarios[scenario]!();
if (isMainThread) console.log('done');
