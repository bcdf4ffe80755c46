import type { Decision, ProbeDefinition, Site } from '../contract/decision.ts';
import { describeError, UspanError } from '../contract/errors.ts';
import { identity } from '../discovery/processes/identity.ts';
import { runningOtelSdk } from '../discovery/processes/otel-sdk.ts';
import type { ProcessFacts } from '../discovery/processes/process-facts.ts';
import { scanProcesses } from '../discovery/processes/scan-processes.ts';
import { selectTargets } from '../discovery/processes/select-targets.ts';
import { type FileInspection as Inspection, inspectFile } from '../probes/attach/inspect.ts';
import { executableFile, libraryFiles, type ProcessFile } from '../probes/attach/process-files.ts';
import { rights } from '../probes/attach/requirements.ts';
import { movedDetail, runsCopy } from '../probes/attach/runs-copy.ts';
import { makeDefinitions } from '../probes/definitions/recipe.ts';
import { instrumentedDetail, wantsLibrary } from '../probes/plan.ts';
import { coloursOf } from '../settings/colours.ts';
import { type Environment, readSettings } from '../settings/read-settings.ts';
import type { Settings } from '../settings/table.ts';
import { agentVersion } from './agent-version.ts';
import { chooseDefinitions } from './choose-definitions.ts';
import { exitCodes } from './exit-codes.ts';
import type { DiscoverOptions } from './flags.ts';
import { stderr } from './stderr.ts';
import { stdout } from './stdout.ts';

const colours = coloursOf(stdout);

interface Found {
  readonly facts: ProcessFacts;
  readonly service: string;
  /** Undefined: the process ended, or its file is unreadable. */
  readonly inspection: Inspection | undefined;
  /** Libraries that some definition is for. */
  readonly libraries: readonly Inspection[];
  /** It runs a copy of its program's code. */
  readonly moved: boolean;
  /** What shows that an OpenTelemetry SDK runs in it, if it has one that would make the same spans. */
  readonly sdk: string | undefined;
}

/** `uspan discover`: what `run` with the same flags would attach, and why not the rest. It attaches nothing. */
export async function discover(
  options: DiscoverOptions,
  given: Partial<Settings>,
  environment: Environment,
): Promise<number> {
  const settings = await readSettings(given, environment);
  const found = look(settings, makeDefinitions(chooseDefinitions(settings)));
  const traceable = found.filter((each) => decisionsOf(each).some((decision) => decision.do === 'attach'));
  if (options.json) {
    stdout.printJson(found.map(asJson));
  } else {
    stdout.printLines(describeAll(found, traceable.length, options.explain));
  }
  const lacking = found.length === 0 || found.some(({ inspection }) => !inspection) ? lackingRights() : undefined;
  if (!lacking) return traceable.length > 0 ? exitCodes.ok : exitCodes.noTarget;
  if (traceable.length === 0) throw lacking;
  stderr.printLines([`uspan: ${describeError(lacking)}`]);
  return exitCodes.ok;
}

/** Why programs look unreadable, or like none, that root would see. */
function lackingRights(): UspanError | undefined {
  const [first, ...others] = rights().filter(({ met }) => met === false);
  if (!first) return undefined;
  const names = [first, ...others].map(({ name }) => name).join(', ');
  const { fix } = first;
  return new UspanError('E_CAPABILITY', `programs of other users could not be read, for lack of ${names}`, { fix });
}

function look(settings: Settings, definitions: readonly ProbeDefinition[]): Found[] {
  const seen = new Map<string, Inspection | undefined>();
  const inspect = (file: ProcessFile): Inspection | undefined => {
    if (!seen.has(file.statKey)) {
      seen.set(
        file.statKey,
        inspectFile(file, { ...settings, definitions }, (inspection) => inspection),
      );
    }
    return seen.get(file.statKey);
  };
  return selectTargets(scanProcesses(), settings).map((facts) => {
    const program = executableFile(facts);
    const inspection = program && inspect(program);
    const libraries = libraryFiles(facts, (path) => wantsLibrary(definitions, path))
      .map(inspect)
      .filter((each) => each !== undefined);
    const resource = identity(facts, { agentVersion: agentVersion(), binary: inspection?.binary });
    const moved = runsCopy(facts, inspection?.binary);
    const mayInstrument = inspection?.decisions.some(
      (each) => each.do === 'attach' && each.instrumentedBy !== undefined,
    );
    const sdk = mayInstrument ? runningOtelSdk(facts.pid)?.detail : undefined;
    return { facts, service: String(resource.attributes['service.name']), inspection, libraries, moved, sdk };
  });
}

function decisionsOf({ inspection, libraries, moved, sdk }: Found): Decision[] {
  const program = (inspection?.decisions ?? []).map((decision) => leftToSdk(decision, sdk));
  return [...(moved ? program.map(notReached) : program), ...libraries.flatMap(({ decisions }) => decisions)];
}

function leftToSdk(decision: Decision, sdk: string | undefined): Decision {
  if (decision.do === 'skip' || decision.instrumentedBy === undefined || sdk === undefined) return decision;
  const { definition, binary, instrumentedBy } = decision;
  return {
    do: 'skip',
    definition,
    binary,
    reason: 'already_instrumented',
    detail: instrumentedDetail(instrumentedBy, sdk),
  };
}

function notReached({ definition, binary }: Decision): Decision {
  return { do: 'skip', definition, binary, reason: 'code_moved', detail: movedDetail };
}

function describeAll(found: readonly Found[], traceable: number, explain: boolean): string[] {
  if (found.length === 0) return ['No process matches.'];
  const [known, unknown] = partition(found, (each) => decisionsOf(each).length > 0);
  const others = found.length - traceable;
  const hint = others > 0 && !explain ? `; --explain says why not the other ${others}` : '';
  return [
    ...describeKnown(known, explain),
    ...(explain ? describeUnknown(unknown) : []),
    `${traceable} of ${found.length} processes can be traced${hint}`,
  ];
}

/** Programs that no definition is for, one line for each file. */
function describeUnknown(unknown: readonly Found[]): string[] {
  const byFile = Map.groupBy(unknown, ({ facts }) => facts.exe?.path ?? facts.comm);
  return [...byFile].map(([path, processes]) => {
    const inspection = processes[0]?.inspection;
    const why = !inspection
      ? 'its file cannot be read'
      : inspection.error
        ? describeError(inspection.error)
        : `${runtimeOf(inspection)}, no library uspan knows`;
    return `${colours.yellow('–')} ${path}  ${colours.dim(`${pidsOf(processes)}: ${why}`)}`;
  });
}

function pidsOf(processes: readonly Found[]): string {
  const pids = processes.map(({ facts }) => facts.pid);
  return `pid ${pids.length > 4 ? `${pids.slice(0, 4).join(' ')} … (${pids.length})` : pids.join(' ')}`;
}

function partition<T>(all: readonly T[], takes: (each: T) => boolean): [T[], T[]] {
  return [all.filter(takes), all.filter((each) => !takes(each))];
}

/** Processes of one service with the same file and the same answers, such as forked workers, have one entry. */
function describeKnown(known: readonly Found[], explain: boolean): string[] {
  const entries = Map.groupBy(known, (found) => [found.service, fileOf(found), ...answers(found, explain)].join('\n'));
  return [...entries.values()].flatMap((processes) => {
    const [first] = processes as [Found];
    const title = `${colours.bold(first.service)}  ${pidsOf(processes)}  ${runtimeOf(first.inspection)}  ${fileOf(first)}`;
    return [title, ...answers(first, explain)];
  });
}

function fileOf({ facts }: Found): string {
  return facts.exe?.path ?? facts.comm;
}

/** One line for each decision, with its sites and notes below. */
function answers(found: Found, explain: boolean): string[] {
  return decisionsOf(found).flatMap((decision) => {
    const { binary, definition } = decision;
    const file = binary.path === found.facts.exe?.path ? '' : colours.dim(`  in ${binary.path}`);
    if (decision.do === 'skip') {
      return [`  ${colours.yellow('–')} ${definition.name}: ${decision.reason}: ${decision.detail}${file}`];
    }
    return [
      `  ${colours.green('✓')} ${definition.name}  ${definition.hitsPerSpan} hits a span  (${classesOf(decision.sites)})${file}`,
      ...(explain ? decision.sites.map(explainSite) : []),
      ...decision.notes.map((note) => `      ${colours.dim('note:')} ${note}`),
    ];
  });
}

/** `start push, end call ×2`. */
function classesOf(sites: readonly Site[]): string {
  const classes = Map.groupBy(sites, (site) => `${site.momentName} ${site.class}`);
  return [...classes].map(([text, { length }]) => (length > 1 ? `${text} ×${length}` : text)).join(', ');
}

function explainSite(site: Site): string {
  const where = `${site.function} 0x${site.address.toString(16)}`;
  return `      ${site.momentName.padEnd(10)} ${where}  ${colours.cyan(site.instruction)}  ${colours.dim(site.why)}`;
}

function runtimeOf(inspection: Inspection | undefined): string {
  const binary = inspection?.binary;
  return binary ? binary.go?.version || binary.runtime : '?';
}

function asJson(found: Found) {
  const { facts, service, inspection } = found;
  return {
    pid: facts.pid,
    exe: facts.exe?.path,
    service,
    runtime: inspection?.binary?.runtime,
    version: inspection?.binary?.go?.version,
    error: inspection?.error && { code: inspection.error.code, message: describeError(inspection.error) },
    decisions: decisionsOf(found).map((decision) =>
      decision.do === 'skip'
        ? {
            definition: decision.definition.name,
            file: decision.binary.path,
            do: 'skip',
            reason: decision.reason,
            detail: decision.detail,
          }
        : {
            definition: decision.definition.name,
            file: decision.binary.path,
            do: 'attach',
            hitsPerSpan: decision.definition.hitsPerSpan,
            sites: decision.sites.map((site) => ({ ...site, moment: site.momentName })),
            notes: decision.notes,
          },
    ),
  };
}
