/** What `run --report FILE` writes: one JSON object with everything that a user may ask afterwards. */

import type { SkipReason } from './contract/decision.ts';
import { describeError } from './contract/errors.ts';
import type { Loss, Losses } from './otel/losses.ts';
import type { ExportState } from './otel/span-exporter.ts';
import { type AttachedSites, attachedKey } from './probes/attach/attached-sites.ts';
import type { KnownBinary } from './probes/attach/running-file.ts';
import { movedDetail } from './probes/attach/runs-copy.ts';
import type { SpanCounts } from './probes/correlate.ts';
import { counterNames } from './probes/layout.gen.ts';

export interface ProbeReport {
  readonly definition: string;
  readonly binary: string;
  readonly moment: string;
  readonly function: string;
  /** `function+0x…: instruction`. */
  readonly site: string;
  readonly class: string;
  readonly link: string;
  /** Hits of the moment: of all its sites together, if there are several. */
  readonly hits: number;
}

export interface SkipReport {
  readonly binary: string;
  readonly pids: readonly number[];
  readonly definition: string | undefined;
  readonly reason: string;
  readonly detail: string;
}

export interface Report {
  readonly version: string;
  /** By OTLP span kind. */
  readonly spans: SpanCounts;
  /** Spans that the collector accepted. */
  readonly exported: number;
  readonly lost: readonly Loss[];
  readonly lostTotal: number;
  readonly probes: readonly ProbeReport[];
  readonly skipped: readonly SkipReport[];
  /** Kernel counters. */
  readonly counters: Readonly<Record<string, number>>;
  readonly export: ExportState | undefined;
  /** Processes that ended before uspan could look at them. */
  readonly shortLivedProcesses: number;
  /** Exec and exit events that found their ring full. The next scan makes up for them. */
  readonly processEventsLost: number;
  /** The agent's own export requests to a traced collector. They are left out. */
  readonly ownExports: number;
  /** Programs and libraries that uspan read. */
  readonly filesRead: number;
  /** The longest time between two drains of the ring, in milliseconds. */
  readonly longestDrainGapMs: number;
}

export interface ReportSources {
  readonly version: string;
  readonly spans: SpanCounts;
  readonly attachments: readonly AttachedSites[];
  readonly binaries: readonly KnownBinary[];
  readonly counters: readonly number[];
  readonly exporter: ExportState | undefined;
  readonly losses: Losses;
  readonly shortLivedProcesses: number;
  readonly processEventsLost: number;
  readonly ownExports: number;
  readonly filesRead: number;
  readonly longestDrainGapMs: number;
}

export function makeReport(sources: ReportSources): Report {
  return {
    version: sources.version,
    spans: sources.spans,
    exported: sources.exporter?.exported ?? 0,
    lost: sources.losses.snapshot(),
    lostTotal: sources.losses.total(),
    probes: [...Map.groupBy(sources.attachments, attachedKey).values()].flatMap(probeReports),
    skipped: sources.binaries.flatMap(skipReports),
    counters: Object.fromEntries(counterNames.map((name, slot) => [name, sources.counters[slot] ?? 0])),
    export: sources.exporter,
    shortLivedProcesses: sources.shortLivedProcesses,
    processEventsLost: sources.processEventsLost,
    ownExports: sources.ownExports,
    filesRead: sources.filesRead,
    longestDrainGapMs: sources.longestDrainGapMs,
  };
}

/** One line for each site, although a file that ran, ended and ran again was attached more than once. */
function probeReports(attachments: readonly AttachedSites[]): ProbeReport[] {
  const { decision, kind } = attachments[0]!;
  return decision.sites.map((site) => ({
    definition: decision.definition.name,
    binary: decision.binary.path,
    moment: site.momentName,
    function: site.function,
    site: `0x${site.address.toString(16)}: ${site.instruction}`,
    class: site.class,
    link: kind,
    hits: attachments.reduce((sum, attachment) => sum + attachment.hits(site.moment), 0),
  }));
}

/** What uspan looked at and left alone, and why. */
export function skipReports(known: KnownBinary): SkipReport[] {
  const common = { binary: known.path, pids: [...known.pids] };
  if (known.error) {
    return [{ ...common, definition: undefined, reason: known.error.code, detail: describeError(known.error) }];
  }
  const skips: SkipReport[] = known.decisions
    .filter((decision) => decision.do === 'skip')
    .map(({ definition, reason, detail }) => ({ ...common, definition: definition.name, reason, detail }));
  const failures: SkipReport[] = known.failures.map(({ decision, error }) => ({
    ...common,
    definition: decision.definition.name,
    reason: 'attach_failed',
    detail: error,
  }));
  const instrumented: SkipReport[] = known.instrumented.map(({ decision, detail }) => ({
    ...common,
    definition: decision.definition.name,
    reason: 'already_instrumented' satisfies SkipReason,
    detail,
  }));
  const moved: SkipReport[] = known.attachments
    .filter(() => known.moved.size > 0)
    .map(({ decision }) => ({
      binary: known.path,
      pids: [...known.moved],
      definition: decision.definition.name,
      reason: 'code_moved' satisfies SkipReason,
      detail: movedDetail,
    }));
  return [...skips, ...instrumented, ...failures, ...moved];
}
