import type { Binary } from '../contract/binary.ts';
import type { Decision, ProbeDefinition, Site, SkipReason } from '../contract/decision.ts';
import { locate } from './sites/places.ts';

export interface PlanOptions {
  /** Accept sites that the kernel single-steps (about 15 µs a hit under virtualisation). */
  readonly allowSingleStep: boolean;
  /** Plan for programs that export with an OpenTelemetry SDK themselves. */
  readonly allowInstrumented: boolean;
}

/** One decision for each definition that is for this binary's runtime. Pure: the same binary gives the same answer. */
export function plan(binary: Binary, definitions: readonly ProbeDefinition[], options: PlanOptions): Decision[] {
  return definitions
    .filter((definition) => definition.runtime === binary.runtime)
    .map((definition) => decide(binary, definition, options));
}

/** Modules whose presence says that a Go program's HTTP server already makes spans. */
const goHttpInstrumentation = [
  'go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp',
  'github.com/DataDog/dd-trace-go/contrib/net/http/v2',
];

function decide(binary: Binary, definition: ProbeDefinition, options: PlanOptions): Decision {
  const skip = (reason: SkipReason, detail: string): Decision => ({ do: 'skip', definition, binary, reason, detail });
  if (!definition.matches(binary)) return skip('library_absent', `the binary does not contain ${definition.library}`);
  const instrumented = goHttpInstrumentation.find((module) => binary.go?.modules.has(module));
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
    if (located.site.class === 'stepped' && !options.allowSingleStep) {
      const detail = `only ${located.site.instruction} at ${located.site.function}, which the kernel would single-step`;
      if (point.required) return skip('no_cheap_site', `${detail}; --single-step allows it`);
      notes.push(`without ${point.purpose}: ${detail}`);
      continue;
    }
    sites.push({ ...located.site, moment: point.moment });
  }
  return { do: 'attach', definition, binary, sites, constants: constants.bytes, notes };
}
