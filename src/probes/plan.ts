import { basename } from 'node:path';
import type { Binary } from '../contract/binary.ts';
import type {
  Decision,
  Instrumentation,
  KernelNeed,
  Place,
  Point,
  ProbeDefinition,
  Site,
  SkipReason,
} from '../contract/decision.ts';
import { type Located, locate } from './sites/locate.ts';
import type { UnnamedSite } from './sites/places.ts';
import { ProgramCode } from './sites/program-code.ts';

export interface PlanOptions {
  /** Accept sites that the kernel single-steps (about 15 µs a hit under virtualisation). */
  readonly allowSingleStep: boolean;
  /** Plan for programs that export with an OpenTelemetry SDK themselves. */
  readonly allowInstrumented: boolean;
  /** What the running kernel is known to lack. By default nothing. */
  readonly kernelLacks?: readonly KernelNeed[] | undefined;
}

/** How a process uses the file: as the program it runs, or as a shared library. */
export type Role = 'executable' | 'library';

/** Whether some definition is for a library of this file name, so that it is worth opening. */
export function wantsLibrary(definitions: readonly ProbeDefinition[], path: string): boolean {
  return definitions.some(({ libraries }) => libraries?.test(basename(path)));
}

/** Whether uspan wants only USDT probes of such a library. */
export function wantsNotesOnly(definitions: readonly ProbeDefinition[], path: string): boolean {
  const name = basename(path);
  const wanting = definitions.filter(({ libraries }) => libraries?.test(name));
  return wanting.every(({ points }) => points.every(({ place }) => place.at === 'note'));
}

/** One decision for each definition that is for this binary's runtime. Pure: the same binary gives the same answer. */
export function plan(
  binary: Binary,
  role: Role,
  definitions: readonly ProbeDefinition[],
  options: PlanOptions,
): Decision[] {
  const code = new ProgramCode(binary);
  return definitions
    .filter((definition) => (role === 'executable' ? isForProgram : isForLibrary)(definition, binary))
    .map((definition) => decide(code, definition, options));
}

function isForProgram(definition: ProbeDefinition, binary: Binary): boolean {
  const { runtime } = definition;
  // Every program on a host is native, so the news that one is not a PostgreSQL server is worth nothing.
  if (runtime === 'any' || (runtime === 'native' && binary.runtime === 'native')) return definition.matches(binary);
  return runtime === binary.runtime;
}

function isForLibrary(definition: ProbeDefinition, binary: Binary): boolean {
  return definition.libraries?.test(basename(binary.path)) === true && definition.matches(binary);
}

function decide(code: ProgramCode, definition: ProbeDefinition, options: PlanOptions): Decision {
  const { binary } = code;
  const skip = (reason: SkipReason, detail: string): Decision => ({ do: 'skip', definition, binary, reason, detail });
  if (!definition.matches(binary)) return skip('library_absent', `the binary does not contain ${definition.library}`);
  const instrumented = options.allowInstrumented ? undefined : definition.instrumentedBy?.find(makesSpansOf(binary));
  if (instrumented && !instrumented.isOtel)
    return skip('already_instrumented', instrumentedDetail(instrumented.module));
  if (!options.allowInstrumented && binary.go?.modules.has(otlpReceiver)) {
    return skip(
      'already_instrumented',
      `it receives OTLP (${otlpReceiver}), and spans of that would beget spans${anyway}`,
    );
  }
  const lacking = definition.needs?.filter((need) => options.kernelLacks?.includes(need)) ?? [];
  if (lacking.length > 0) {
    return skip('kernel_feature', `this kernel lacks ${lacking.join(', ')}: see uspan doctor`);
  }
  if (!code.isa.hasSiteRules) return skip('machine_untested', `no site rules for ${binary.machine} yet`);
  const constants = definition.constants(binary);
  if (!constants.found) return skip('field_missing', `not told by the binary: ${constants.missing}`);

  const sites: Site[] = [];
  const notes = [...constants.notes];
  const found = definition.points.map((point) => ({ point, located: findSites(code, point, options) }));
  const broken = brokenCalls(binary, found, notes);
  for (const { point, located } of found) {
    if (!located.found) {
      if (point.required) return skip(located.reason, `${located.detail}, needed for ${point.purpose}`);
      if (!point.calls) notes.push(`without ${point.purpose}: ${located.detail}`);
      continue;
    }
    if (point.calls?.every((call) => broken.has(call))) continue;
    sites.push(...located.sites.map((site) => named(site, point)));
  }
  if (sites.length === 0) return skip('symbol_missing', `the binary makes no call that ${definition.name} knows`);
  if (sites.some(({ refCtrAddress }) => refCtrAddress !== undefined)) {
    notes.push('each process is attached by itself after its start, because of where the linker put the semaphores');
  }
  const { bytes, entries = [], goBinary } = constants;
  const instrumentedBy = instrumented?.module;
  return { do: 'attach', definition, binary, sites, constants: bytes, entries, goBinary, notes, instrumentedBy };
}

/** The receiver of the OpenTelemetry Collector, which Jaeger, Tempo and others have too. */
const otlpReceiver = 'go.opentelemetry.io/collector/receiver/otlpreceiver';
const anyway = '; --instrumented traces it all the same';

/** @param evidence what shows that the SDK behind the module runs, as a sentence without its subject */
export function instrumentedDetail(module: string, evidence?: string): string {
  return `it makes its own spans with ${module}${evidence === undefined ? '' : `, and ${evidence}`}${anyway}`;
}

/**
 * Whether a program contains both the instrumentation, for these spans, and a way to start its SDK. Modules alone say little: libraries for
 * cloud APIs, Docker and Kubernetes bring otelhttp along, which does nothing without an SDK.
 */
function makesSpansOf({ go, symbols }: Binary): (instrumentation: Instrumentation) => boolean {
  return ({ module, functions, sdk }) =>
    go?.modules.has(module) === true &&
    symbols.find(sdk) !== undefined &&
    (functions?.some((name) => symbols.find(name) !== undefined) ?? true);
}

/** The sites of a point. The kernel must not have to single-step any of them, unless that is allowed. */
function findSites(code: ProgramCode, point: Point, options: PlanOptions): Located {
  const located = locate(code, point.place);
  const stepped = located.found && located.sites.find((site) => site.class === 'stepped');
  if (!stepped || options.allowSingleStep) return located;
  const detail = `only ${stepped.instruction} at ${stepped.function}, which the kernel would single-step`;
  return {
    found: false,
    reason: 'no_cheap_site',
    detail: point.required ? `${detail} (--single-step allows it)` : detail,
  };
}

/**
 * Calls that lack a point. If even the function of their first point is missing, the program does not make them, and there is nothing to
 * note.
 */
function brokenCalls(
  binary: Binary,
  found: readonly { readonly point: Point; readonly located: Located }[],
  notes: string[],
): ReadonlySet<string> {
  const seen = new Set<string>();
  const broken = new Set<string>();
  for (const { point, located } of found) {
    for (const call of point.calls ?? []) {
      const first = !seen.has(call);
      seen.add(call);
      if (located.found || broken.has(call)) continue;
      broken.add(call);
      if (!first || hasFunction(binary, point.place)) notes.push(`without ${call}: ${located.detail}`);
    }
  }
  return broken;
}

function hasFunction(binary: Binary, place: Place): boolean {
  return 'function' in place && binary.symbols.find(place.function) !== undefined;
}

function named(site: UnnamedSite, { moment, name, spec }: Point): Site {
  const own = spec === 'address' ? { spec: site.address % 2 ** 32 } : {};
  return { ...site, ...own, moment, momentName: name };
}
