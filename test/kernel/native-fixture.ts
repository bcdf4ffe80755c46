/** What the tests of the addon share: the compiled target and BPF object, and a running target that takes commands. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import type { BpfObject, FeatureName, OpenOptions } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isRoot = process.getuid?.() === 0;
if (!isRoot && process.env.REQUIRE_KERNEL) throw new Error('REQUIRE_KERNEL is set, and kernel tests need root');

/** `describe` for tests that need root, and perhaps a kernel feature. Without these, the tests are reported as skipped. */
export function describeKernel(name: string, tests: () => void, feature?: FeatureName): void {
  const answer = feature && loadNative().probeFeature(feature);
  if (!isRoot || answer?.supported === false)
    describe.skip(`${name} (${isRoot ? answer?.detail : 'needs root'})`, tests);
  else describe(name, tests);
}

export interface NativeFixture {
  readonly directory: string;
  /** The executable to probe. */
  readonly target: string;
  /** File offset of a function or variable of the target. */
  offset(symbol: string): bigint;
  /** Opens test/fixtures/native/probe.bpf.c. */
  open(options?: Partial<OpenOptions>): BpfObject;
  readonly probeObject: Buffer;
  /** What the verifier refuses. */
  readonly brokenObject: Buffer;
  remove(): void;
}

/** Compiles both into a temporary directory. */
export function buildNativeFixture(): NativeFixture {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-native-'));
  const target = join(directory, 'target');
  execFileSync('cc', ['-O1', '-pthread', '-o', target, join(root, 'test/fixtures/native/target.c')]);
  const build = (name: string) => {
    const object = join(directory, `${name}.bpf.o`);
    execFileSync(join(root, 'scripts/build-bpf.sh'), [join(root, `test/fixtures/native/${name}.bpf.c`), object]);
    return readFileSync(object);
  };
  const offsets = fileOffsets(target);
  const probeObject = build('probe');
  return {
    directory,
    target,
    probeObject,
    brokenObject: build('broken'),
    offset(symbol) {
      const offset = offsets.get(symbol);
      if (offset === undefined) throw new Error(`${target} has no symbol ${symbol}`);
      return offset;
    },
    open(options = {}) {
      const native = loadNative();
      const uprobeMulti = options.uprobeMulti ?? native.probeFeature('uprobeMulti').supported;
      return native.openObject({ object: probeObject, name: 'probe', uprobeMulti, ...options });
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Symbol address → file offset through the program headers, by binutils. */
function fileOffsets(path: string): Map<string, bigint> {
  const loads = execFileSync('readelf', ['-lW', path])
    .toString()
    .matchAll(/^ +LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)/gm);
  const segments = [...loads].map(([, offset, address, size]) => ({
    offset: BigInt(offset!),
    address: BigInt(address!),
    size: BigInt(size!),
  }));
  const offsets = new Map<string, bigint>();
  for (const [, hex, name] of execFileSync('nm', [path])
    .toString()
    .matchAll(/^(\w+) \w (\w+)$/gm)) {
    const address = BigInt(`0x${hex}`);
    const segment = segments.find((one) => address >= one.address && address < one.address + one.size);
    if (segment) offsets.set(name!, address - segment.address + segment.offset);
  }
  return offsets;
}

export interface Target {
  readonly pid: number;
  /** Calls a function of the target. Resolves when that has returned. */
  call(name: 'first' | 'second' | 'third', calls: number): Promise<void>;
  callInThread(name: 'first' | 'second' | 'third', calls: number): Promise<void>;
  /** The value of its `semaphore`. */
  semaphore(): Promise<number>;
  /** Ends it by closing stdin. */
  stop(): Promise<void>;
}

export async function startTarget(path: string): Promise<Target> {
  const child = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ended = once(child, 'close');
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the target ended');
    return value;
  };
  const ask = async (command: string) => {
    child.stdin.write(`${command}\n`);
    return answer();
  };
  await answer();
  return {
    pid: child.pid!,
    async call(name, calls) {
      await ask(`${calls} ${name}`);
    },
    async callInThread(name, calls) {
      await ask(`thread ${calls} ${name}`);
    },
    semaphore: async () => Number(await ask('semaphore')),
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Hits counted by the fixture's programs for an attach cookie. */
export function hits(object: BpfObject, cookie: bigint): number {
  const value = object.map('hits').lookup(bytesOf(cookie));
  return value ? Number(new DataView(value.buffer).getBigUint64(0, true)) : 0;
}

/** u64s as they are in memory. */
export function bytesOf(...numbers: bigint[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(numbers).buffer);
}
