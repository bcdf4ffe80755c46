import { basename } from 'node:path';
import type { Binary } from '../contract/binary.ts';
import type { Decision, ProbeDefinition, Site, SkipReason } from '../contract/decision.ts';
import { locate } from './sites/locate.ts';

export interface PlanOptions {
  /** Accept sites that the kernel single-steps (about 15 µs a hit under virtualisation). */
  readonly allowSingleStep: boolean;
  /** Plan for programs that export with an OpenTelemetry SDK themselves. */
  readonly allowInstrumented: boolean;
}

/** How a process has the file: as the program it runs, or as a shared library. */
export type Role = 'executable' | 'library';

/** Whether some definition is for a library of this file name, so that it is worth opening. */
export function wantsLibrary(definitions: readonly ProbeDefinition[], path: string): boolean {
  return definitions.some(({ libraries }) => libraries?.test(basename(path)));
}

/** Whether all that is wanted of such a library are USDT probes. */
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
  return definitions
    .filter((definition) => (role === 'executable' ? isForProgram : isForLibrary)(definition, binary))
    .map((definition) => decide(binary, definition, options));
}

function isForProgram(definition: ProbeDefinition, binary: Binary): boolean {
  const { runtime } = definition;
  // Every program on a host is native: that one is no PostgreSQL server says nothing.
  if (runtime === 'any' || (runtime === 'native' && binary.runtime === 'native')) return definition.matches(binary);
  return runtime === binary.runtime;
}

function isForLibrary(definition: ProbeDefinition, binary: Binary): boolean {
  return definition.libraries?.test(basename(binary.path)) === true && definition.matches(binary);
}

function decide(binary: Binary, definition: ProbeDefinition, options: PlanOptions): Decision {
  const skip = (reason: SkipReason, detail: string): Decision => ({ do: 'skip', definition, binary, reason, detail });
  if (!definition.matches(binary)) return skip('library_absent', `the binary does not contain ${definition.library}`);
  const instrumented = definition.instrumentedBy?.find((module) => binary.go?.modules.has(module));
  if (instrumented && !options.allowInstrumented) {
    return skip(
      'already_instrumented',
      `it makes its own spans with ${instrumented}; --instrumented traces it all the same`,
    );
  }
  if (binary.machine !== 'x64') return skip('machine_untested', `no site rules for ${binary.machine} yet`);
  const constants = definition.constants(binary);
  if (!constants.found) return skip('field_missing', `not in the binary's type descriptors: ${constants.missing}`);

  const sites: Site[] = [];
  const notes = [...constants.notes];
  for (const point of definition.points) {
    const located = locate(binary, point.place);
    if (!located.found) {
      if (point.required) return skip(located.reason, `${located.detail}, needed for ${point.purpose}`);
      notes.push(`without ${point.purpose}: ${located.detail}`);
      continue;
    }
    const stepped = located.sites.find((site) => site.class === 'stepped');
    if (stepped && !options.allowSingleStep) {
      const detail = `only ${stepped.instruction} at ${stepped.function}, which the kernel would single-step`;
      if (point.required) return skip('no_cheap_site', `${detail}; --single-step allows it`);
      notes.push(`without ${point.purpose}: ${detail}`);
      continue;
    }
    sites.push(...located.sites.map((site) => ({ ...site, moment: point.moment, momentName: point.name })));
  }
  const { bytes, entries = [] } = constants;
  return { do: 'attach', definition, binary, sites, constants: bytes, entries, notes };
}
