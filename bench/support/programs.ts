import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../../test/support/process.ts';

const benchDir = join(import.meta.dirname, '..');
const outDir = join(benchDir, '..', 'build', 'bench');

/** Paths of the benchmark's Go programs. */
export interface Programs {
  readonly bare: string;
  /** The same bytes as `bare` in another file, because probes belong to an inode, and the bare server must have none. */
  readonly observed: string;
  readonly sdk: string;
  readonly receiver: string;
  /** About 10 MB, stripped: examples/go-app. */
  readonly shop: string;
}

/** Builds what changed (the go command's cache knows), as services are shipped: stripped, without cgo. */
export async function buildPrograms(): Promise<Programs> {
  const [bare, sdk, receiver, shop] = [
    await build(benchDir, './go-http/plain', 'bare'),
    await build(benchDir, './go-http/sdk', 'sdk'),
    await buildReceiver(),
    await build(join(benchDir, '..', 'examples', 'go-app'), '.', 'shop'),
  ];
  const observed = join(outDir, 'observed');
  await copyFile(bare, observed);
  return { bare, observed, sdk, receiver, shop };
}

/** A program that makes calls. */
export interface CallPrograms {
  readonly bare: string;
  readonly observed: string;
  readonly sdk: string;
  readonly receiver: string;
}

/** Those of bench/go-client. */
export interface ClientPrograms extends CallPrograms {
  /** What is called. */
  readonly upstream: string;
}

export async function buildClientPrograms(): Promise<ClientPrograms> {
  const programs = await buildCallPrograms('./go-client', 'client');
  return { ...programs, upstream: await build(benchDir, './go-http/plain', 'bare') };
}

/** Those of bench/go-sql. */
export function buildSqlPrograms(): Promise<CallPrograms> {
  return buildCallPrograms('./go-sql', 'sql');
}

/** What bench/hits.ts and bench/agent.ts attach to, beside Node.js and PostgreSQL. */
export interface HitsPrograms {
  readonly goHandlers: string;
  /** What is called. */
  readonly upstream: string;
  /** test/fixtures/usdt/pairs.c. */
  readonly usdtPairs: string;
}

export async function buildHitsPrograms(): Promise<HitsPrograms> {
  const goHandlers = await build(benchDir, './go-hits', 'go-hits');
  const upstream = await build(benchDir, './go-http/plain', 'bare');
  const usdtPairs = join(outDir, 'usdt-pairs');
  const source = join(benchDir, '..', 'test', 'fixtures', 'usdt', 'pairs.c');
  const { code, stderr } = await runProcess('gcc', ['-O2', '-o', usdtPairs, '-pthread', source, '-ldl']);
  if (code !== 0) throw new Error(`gcc ${source} failed: ${stderr}`);
  return { goHandlers, upstream, usdtPairs };
}

async function buildCallPrograms(directory: string, name: string): Promise<CallPrograms> {
  const bare = await build(benchDir, `${directory}/plain`, `${name}-bare`);
  const observed = join(outDir, `${name}-observed`);
  await copyFile(bare, observed);
  return {
    bare,
    observed,
    sdk: await build(benchDir, `${directory}/sdk`, `${name}-sdk`),
    receiver: await buildReceiver(),
  };
}

/** The counting OTLP receiver. */
export function buildReceiver(): Promise<string> {
  return build(benchDir, './receiver', 'receiver');
}

async function build(module: string, pkg: string, name: string): Promise<string> {
  await mkdir(outDir, { recursive: true });
  const out = join(outDir, name);
  const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', out, pkg];
  const { code, stderr } = await runProcess('go', args, {
    cwd: module,
    env: { CGO_ENABLED: '0' },
    deadlineMs: 600_000,
  });
  if (code !== 0) throw new Error(`go build ${pkg} in ${module} failed: ${stderr}`);
  return out;
}
