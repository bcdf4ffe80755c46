import { expect, test } from 'vitest';
import type { ProbeDefinition } from '../../src/contract/decision.ts';
import { UspanError } from '../../src/contract/errors.ts';
import type { Link } from '../../src/native.ts';
import { Losses } from '../../src/otel/losses.ts';
import { type AttachDecision, Attachment } from '../../src/probes/attach/attachment.ts';
import type { KnownBinary } from '../../src/probes/attach/running-file.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';
import { Counter, counterNames, HttpServerMoment as Moment } from '../../src/probes/layout.gen.ts';
import { makeReport, type ReportSources, skipReports } from '../../src/report.ts';
import { programOf } from './sites-program.ts';

const binary = programOf({ 'net/http.serverHandler.ServeHTTP': '55 c3' });

const decision: AttachDecision = {
  do: 'attach',
  definition: goHttpServer,
  binary,
  constants: new Uint8Array(0),
  entries: [],
  notes: [],
  sites: [
    {
      moment: Moment.START,
      momentName: 'start',
      function: 'net/http.serverHandler.ServeHTTP',
      address: 0x60dda0,
      fileOffset: 0x20dda0,
      class: 'push',
      instruction: 'push %rbp',
      why: 'push after the stack check',
    },
    {
      moment: Moment.END,
      momentName: 'end',
      function: 'net/http.(*conn).serve',
      address: 0x60a123,
      fileOffset: 0x20a123,
      class: 'call',
      instruction: 'call net/http.(*conn).hijacked',
      why: 'first emulated instruction after the call of net/http.serverHandler.ServeHTTP',
    },
  ],
};

/** Attached by a link that does not exist, and hit 10 times at the start and 9 at the end. */
function attachment(hits: Readonly<Record<number, number>> = { [Moment.START]: 10, [Moment.END]: 9 }): Attachment {
  const link: Link = { kind: 'perf', count: 2, close: () => Promise.resolve() };
  return new Attachment(decision, 0, [link], { hits: (moment) => hits[moment] ?? 0, closed: () => {} });
}

function known(changes: Partial<KnownBinary> = {}): KnownBinary {
  return {
    path: '/bin/shop',
    role: 'executable',
    binary,
    error: undefined,
    decisions: [],
    loadsLibraries: false,
    attachments: [],
    failures: [],
    instrumented: [],
    pids: new Set([7, 8]),
    moved: new Set(),
    ...changes,
  };
}

function sources(changes: Partial<ReportSources> = {}): ReportSources {
  return {
    version: '0.1.0',
    spans: { server: 0, client: 0, internal: 0 },
    attachments: [],
    binaries: [],
    counters: [],
    exporter: undefined,
    losses: new Losses(),
    shortLivedProcesses: 0,
    processEventsLost: 0,
    ownExports: 0,
    filesRead: 0,
    longestDrainGapMs: 0,
    ...changes,
  };
}

test('a run in which nothing happened', () => {
  expect(makeReport(sources())).toEqual({
    version: '0.1.0',
    spans: { server: 0, client: 0, internal: 0 },
    exported: 0,
    lost: [],
    lostTotal: 0,
    probes: [],
    skipped: [],
    counters: Object.fromEntries(counterNames.map((name) => [name, 0])),
    export: undefined,
    shortLivedProcesses: 0,
    processEventsLost: 0,
    ownExports: 0,
    filesRead: 0,
    longestDrainGapMs: 0,
  });
});

test('a row for each site, with its hits', () => {
  const { probes } = makeReport(sources({ attachments: [attachment()] }));
  expect(probes).toEqual([
    {
      definition: 'go/net/http/server',
      binary: '/bin/test',
      moment: 'start',
      function: 'net/http.serverHandler.ServeHTTP',
      site: '0x60dda0: push %rbp',
      class: 'push',
      link: 'perf',
      hits: 10,
    },
    {
      definition: 'go/net/http/server',
      binary: '/bin/test',
      moment: 'end',
      function: 'net/http.(*conn).serve',
      site: '0x60a123: call net/http.(*conn).hijacked',
      class: 'call',
      link: 'perf',
      hits: 9,
    },
  ]);
});

test('an attachment that was closed keeps the hits it had', async () => {
  const hits: Record<number, number> = { [Moment.START]: 3, [Moment.END]: 2 };
  const closing = attachment(hits);
  await closing.close();
  hits[Moment.START] = 0; // Another attachment has the id now.
  const { probes } = makeReport(sources({ attachments: [closing] }));
  expect(probes.map((probe) => probe.hits)).toEqual([3, 2]);
});

test('kernel counters by name', () => {
  const counters: number[] = [];
  counters[Counter.SPANS] = 41;
  counters[Counter.LOST_RING_FULL] = 2;
  expect(makeReport(sources({ counters })).counters).toMatchObject({
    spans: 41,
    lost_ring_full: 2,
    bad_traceparent: 0,
  });
});

test('losses and what the exporter says', () => {
  const losses = new Losses();
  losses.add('decode', 'malformed_record', 2);
  losses.add('export', 'queue_full', 40);
  const exporter = {
    accepted: 100,
    exported: 60,
    lost: {} as NonNullable<ReportSources['exporter']>['lost'],
    queuedSpans: 0,
    queuedBytes: 0,
    requests: 3,
    failedRequests: 1,
  };
  const report = makeReport(sources({ losses, exporter, shortLivedProcesses: 5 }));
  losses.close();
  expect(report).toMatchObject({ exported: 60, lostTotal: 42, export: exporter, shortLivedProcesses: 5 });
  expect(report.lost).toEqual([
    { stage: 'decode', reason: 'malformed_record', count: 2 },
    { stage: 'export', reason: 'queue_full', count: 40 },
  ]);
});

test('is plain JSON', () => {
  const report = makeReport(sources({ attachments: [attachment()], binaries: [known({ decisions: [skip()] })] }));
  const { export: _, ...rest } = report;
  expect(JSON.parse(JSON.stringify(report))).toEqual(rest);
});

function skip(definition: ProbeDefinition = goHttpServer) {
  return { do: 'skip', definition, binary, reason: 'field_missing', detail: 'no such field' } as const;
}

test('what was left alone, and why', () => {
  const failure = { decision, error: 'E_ATTACH: no' };
  expect(skipReports(known({ decisions: [decision, skip()], failures: [failure] }))).toEqual([
    {
      binary: '/bin/shop',
      pids: [7, 8],
      definition: 'go/net/http/server',
      reason: 'field_missing',
      detail: 'no such field',
    },
    {
      binary: '/bin/shop',
      pids: [7, 8],
      definition: 'go/net/http/server',
      reason: 'attach_failed',
      detail: 'E_ATTACH: no',
    },
  ]);
  expect(skipReports(known({ decisions: [decision] }))).toEqual([]);
});

test('a file that could not be read is told by its error alone', () => {
  const error = new UspanError('E_ELF_FORMAT', 'not an ELF file', { on: '/bin/shop' });
  expect(skipReports(known({ binary: undefined, error }))).toEqual([
    {
      binary: '/bin/shop',
      pids: [7, 8],
      definition: undefined,
      reason: 'E_ELF_FORMAT',
      detail: 'E_ELF_FORMAT: not an ELF file (/bin/shop)',
    },
  ]);
});
