/**
 * Runs recorded rings through the agent's own path of a record, up to a stage, and prints what it used as JSON. bench/agent.ts turns it
 * into JavaScript and starts it as bin/uspan starts the agent, so that its memory is like the agent's. Everything that it knows of the
 * agent is in open() and below.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import type { BinaryFacts } from '../../src/contract/binary.ts';
import type { ExportSettings } from '../../src/contract/export-settings.ts';
import type { Resource, Slab, SpanWriter } from '../../src/contract/span.ts';
import type { ReplayJob, ReplayResult } from './job.ts';

const job = JSON.parse(process.argv[2]!) as ReplayJob;
const load = <T>(path: string): Promise<T> => import(pathToFileURL(join(job.dist, path)).href) as Promise<T>;

/** Like the agent's drain loop: a slab of 1 MiB at a time, every 50 ms under load. */
const slabBytes = 1 << 20;
const roundMs = 50;
const warmUpRecords = 100_000;

const memory = new ArrayBuffer(slabBytes);
const slab: Slab = { bytes: new Uint8Array(memory), words: new Uint32Array(memory) };

const nowhere: SpanWriter = {
  begin() {},
  nameText() {},
  nameBytes() {},
  traceState() {},
  text() {},
  bytes() {},
  int() {},
  double() {},
  bool() {},
  status() {},
  end() {},
};

interface Pipeline {
  write(slab: Slab, length: number): void;
  /** Waits until everything written has arrived. Returns how many spans were lost on the way. */
  finish(): Promise<number>;
}

const recording = readFileSync(job.recording);
const { EventHead } = await load<typeof import('../../src/probes/layout.gen.ts')>('probes/layout.gen.js');
const records = boundaries();
const pipeline = await open();

let gcMs = 0;
const observer = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMs += duration;
});
observer.observe({ entryTypes: ['gc'] });
let peakRss = 0;
let next = 0;

await replay(warmUpRecords);
const session = job.profile ? new Session() : undefined;
if (session) {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
}
peakRss = 0;
gcMs = 0;
const before = process.cpuUsage();
const startedAt = performance.now();
await replay(job.records);
const lost = await pipeline.finish();
const { user, system } = process.cpuUsage(before);
const result: ReplayResult = {
  cpuNsPerSpan: ((user + system) * 1000) / job.records,
  systemNsPerSpan: (system * 1000) / job.records,
  gcShare: gcMs / ((user + system) / 1000),
  peakRssMiB: (peakRss - recording.length) / 2 ** 20,
  seconds: (performance.now() - startedAt) / 1000,
  lost,
};
if (session && job.profile) {
  const { profile } = await session.post('Profiler.stop');
  writeFileSync(job.profile, JSON.stringify(profile));
}
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

/** Where each record of the recording ends. */
function boundaries(): Uint32Array {
  const ends: number[] = [];
  for (let at = 0; at + EventHead.size <= recording.length; ) {
    at += (recording.readUInt32LE(at + EventHead.len) + 7) & ~7;
    ends.push(at);
  }
  return Uint32Array.from(ends);
}

/** The recording over and over, at the given rate. */
async function replay(count: number): Promise<void> {
  const from = performance.now();
  for (let made = 0, round = 1; made < count; round++) {
    const due = Math.min(count, Math.ceil(((performance.now() - from) / 1000) * job.ratePerSecond));
    while (made < due) made += writeSlab(due - made);
    // Once a second: it costs half a millisecond.
    if (round % 20 === 0) peakRss = Math.max(peakRss, process.memoryUsage.rss());
    const waitMs = Math.max(0, from + round * roundMs - performance.now());
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** At most `most` records, as many as fit into a slab and come before the recording begins anew. */
function writeSlab(most: number): number {
  const start = next === 0 ? 0 : records[next - 1]!;
  let to = next;
  while (to < records.length && to - next < most && records[to]! - start <= slabBytes) to++;
  const length = records[to - 1]! - start;
  slab.bytes.set(recording.subarray(start, start + length));
  pipeline.write(slab, length);
  const written = to - next;
  next = to === records.length ? 0 : to;
  return written;
}

async function open(): Promise<Pipeline> {
  const { definitions } =
    await load<typeof import('../../src/probes/definitions/index.ts')>('probes/definitions/index.js');
  const { Correlator } = await load<typeof import('../../src/probes/correlate.ts')>('probes/correlate.js');
  const { ProbeTable } = await load<typeof import('../../src/probes/probe-table.ts')>('probes/probe-table.js');
  const { ProcessTable } = await load<typeof import('../../src/probes/process-table.ts')>('probes/process-table.js');
  const { Losses } = await load<typeof import('../../src/otel/losses.ts')>('otel/losses.js');
  const losses = new Losses();
  const { writer, finish } = await openWriter(losses);
  const probes = new ProbeTable();
  const view = new DataView(recording.buffer, recording.byteOffset, recording.byteLength);
  // Each kind in the mix is made by one definition alone.
  for (let n = 0; n < records.length; n++) {
    const at = n === 0 ? 0 : records[n - 1]!;
    const kind = view.getUint16(at + EventHead.kind, true);
    const probeId = view.getUint16(at + EventHead.probeId, true);
    if (probes.definitionOf(probeId)) continue;
    const definition = definitions.find(({ recordKinds }) => recordKinds.includes(kind));
    if (!definition) throw new Error(`no definition makes records of kind ${kind}: record the ring again`);
    probes.set(probeId, definition, {} as BinaryFacts);
  }
  const correlator = new Correlator({
    probes,
    // Older builds, with which this one is compared, take the function alone.
    processes: new ProcessTable(
      Object.assign(describe, { running: describe, ended: describe, catchUp() {}, nowNs: () => 0 }),
    ),
    writer,
    lose: (stage, reason, count) => losses.add(stage, reason, count),
    onWriteError: (definition, error) => console.error(definition.name, error),
  });
  return {
    write: (from, length) => correlator.write(from, length),
    finish: async () => {
      await finish();
      return losses.total();
    },
  };
}

/** As many attributes as a process on a real host has. */
function describe(pid: number): Resource {
  return {
    attributes: {
      'service.name': `service-${pid}`,
      'service.instance.id': '3f2b8c9e-7d41-5a0e-9c63-1b2f4d6a8e70',
      'process.pid': pid,
      'process.executable.name': 'service',
      'process.executable.path': '/usr/local/bin/service',
      'process.runtime.name': 'go',
      'process.runtime.version': 'go1.26.8',
      'host.name': 'bench',
      'host.arch': 'amd64',
      'os.type': 'linux',
      'telemetry.sdk.name': 'uspan',
      'telemetry.sdk.language': 'go',
    },
  };
}

interface OpenedWriter {
  readonly writer: SpanWriter;
  finish(): Promise<unknown>;
}

async function openWriter(losses: import('../../src/otel/losses.ts').Losses): Promise<OpenedWriter> {
  if (job.stage === 'decode') return { writer: nowhere, finish: async () => {} };
  const { settingsOf } = await load<typeof import('../../src/settings/read-settings.ts')>('settings/read-settings.js');
  const { exportSettingsOf } =
    await load<typeof import('../../src/settings/export-settings.ts')>('settings/export-settings.js');
  const { protocol, endpoint } = job;
  const environment = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  const settings = exportSettingsOf(settingsOf({ environment }));
  if (job.stage === 'write') {
    const { OtlpSpanWriter } =
      await load<typeof import('../../src/otel/otlp-span-writer.ts')>('otel/otlp-span-writer.js');
    const { BufferPool } = await load<typeof import('../../src/otel/buffer-pool.ts')>('otel/buffer-pool.js');
    const limits = { ...settings.batch, maxOpenBytes: 4 * settings.batch.maxBatchBytes };
    const pool = new BufferPool(limits.maxOpenBytes);
    const writer = new OtlpSpanWriter(({ bytes }) => pool.give(bytes), limits, pool);
    writer.setClockOffsetNs(0n);
    setInterval(() => writer.flush(), settings.batch.scheduleDelayMs).unref();
    return { writer, finish: async () => writer.flush() };
  }
  const notify = (_: string, message: string) => console.error(message);
  const exporter = await openExporter(settings, losses, notify);
  exporter.writer.setClockOffsetNs(0n);
  return { writer: exporter.writer, finish: () => exporter.flush(30_000) };
}

async function openExporter(
  settings: ExportSettings,
  losses: import('../../src/otel/losses.ts').Losses,
  notify: import('../../src/otel/losses.ts').Notify,
) {
  if (job.stage === 'send') {
    const { openSpanExporter } =
      await load<typeof import('../../src/otel/open-span-exporter.ts')>('otel/open-span-exporter.js');
    return openSpanExporter({ ...settings, version: '0.0.0', losses, notify });
  }
  const { SpanExporter } = await load<typeof import('../../src/otel/span-exporter.ts')>('otel/span-exporter.js');
  return new SpanExporter({
    transport: {
      endpoint: '',
      send: async () => ({ outcome: 'sent', rejected: 0, message: '' }),
      close: async () => {},
    },
    scope: { name: 'uspan', version: '0.0.0', schemaUrl: 'https://opentelemetry.io/schemas/1.45.0' },
    batch: settings.batch,
    losses,
    notify,
  });
}
