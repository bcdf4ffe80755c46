import type { GoFacts } from '../../contract/binary.ts';
import type { Attributes, AttributeValue, Resource } from '../../contract/span.ts';
import { readSupervision, type Supervision } from './cgroup.ts';
import { readEnviron } from './environ.ts';
import { hostAttributes } from './host.ts';
import { instanceId } from './instance-id.ts';
import type { ProcessFacts } from './process-facts.ts';
import { type Place, placeOf } from './process-place.ts';
import { programName } from './program-name.ts';
import { parseResourceAttributes } from './resource-attributes.ts';
import { workloadName } from './workload-name.ts';

export interface IdentityOptions {
  /** `telemetry.distro.version`. */
  readonly agentVersion: string;
  /** A rule of the user. It wins over everything that the process says of itself. */
  readonly serviceName?: string | undefined;
  /** What is known of its executable, if that has been read already. */
  readonly binary?: { readonly runtime: 'go' | 'node' | 'native'; readonly go: GoFacts | undefined } | undefined;
  /** Called with what is wrong in its OTEL_RESOURCE_ATTRIBUTES, without values. */
  readonly onFaults?: ((pid: number, faults: readonly string[]) => void) | undefined;
}

/** The process's own words, as read from /proc. */
export interface Surroundings {
  readonly environ: ReadonlyMap<string, string>;
  readonly supervision: Supervision;
  readonly place?: Place;
}

const languages = { go: 'go', node: 'nodejs', native: undefined } as const;

/** The OpenTelemetry Resource of a process. It leaves out the command line and the process's own environment, because they hold secrets. */
export function identity(facts: ProcessFacts, options: IdentityOptions): Resource {
  const { pid } = facts;
  const around = { environ: readEnviron(pid), supervision: readSupervision(pid), place: placeOf(pid) };
  return resourceOf(facts, around, options);
}

/** For a process that ended before anything but its file was known. `uspan.process.ended` marks it. */
export function endedIdentity(pid: number, path: string, options: IdentityOptions): Resource {
  const exe = { path, deleted: false, dev: 0n, ino: 0n };
  return goneIdentity({ pid, ppid: 0, comm: '', startBootNs: 0n, uid: undefined, exe, argv: undefined }, options);
}

/** For a program that ended before it was asked what it says of itself. `uspan.process.ended` marks it. */
export function goneIdentity(facts: ProcessFacts, options: IdentityOptions): Resource {
  const supervision = { containerId: undefined, podUid: undefined, unit: undefined };
  const { attributes } = resourceOf(facts, { environ: new Map(), supervision }, options);
  return { attributes: { ...attributes, 'uspan.process.ended': true } };
}

/** The same as `identity`, from facts that were read already. Pure, except for the host's own attributes. */
export function resourceOf(facts: ProcessFacts, around: Surroundings, options: IdentityOptions): Resource {
  const { environ, supervision, place } = around;
  const { attributes: given, faults } = parseResourceAttributes(environ.get('OTEL_RESOURCE_ATTRIBUTES'));
  if (faults.length > 0) options.onFaults?.(facts.pid, faults);
  const podName = isPod(around) ? environ.get('HOSTNAME') : undefined;
  const { binary } = options;
  const go = binary?.go;
  const language = binary && languages[binary.runtime];
  const serviceName =
    options.serviceName ||
    environ.get('OTEL_SERVICE_NAME') ||
    given['service.name'] ||
    (podName && workloadName(podName)) ||
    supervision.unit ||
    programName(facts, go, place) ||
    'unknown_service';
  return {
    attributes: defined({
      ...hostAttributes(),
      'service.instance.id': instanceId(facts),
      'service.version': versionOf(go),
      'container.id': supervision.containerId,
      'k8s.pod.name': podName,
      'k8s.pod.uid': supervision.podUid,
      ...given,
      // What the kernel says of a process is true. A child may have got the words of its parent.
      ...defined({
        'process.pid': facts.pid,
        'process.executable.name': facts.exe?.path.slice(facts.exe.path.lastIndexOf('/') + 1),
        'process.executable.path': facts.exe?.path,
        'process.runtime.name': language,
        'process.runtime.version': go?.version || undefined,
      }),
      'service.name': serviceName,
      'telemetry.sdk.language': language,
      'telemetry.distro.name': 'uspan',
      'telemetry.distro.version': options.agentVersion,
    }),
  };
}

/** Every container of a pod gets the first, unless its pod says enableServiceLinks: false. HOSTNAME is the pod's name there. */
function isPod({ environ, supervision }: Surroundings): boolean {
  return environ.has('KUBERNETES_SERVICE_HOST') || supervision.podUid !== undefined;
}

/** The main module's version, if it is a real one: not `(devel)`, and not the time and hash of a commit. */
function versionOf(go: GoFacts | undefined): string | undefined {
  const version = go?.main?.version;
  return version && /^v\d+\.\d+\.\d+/.test(version) && !/[.-]\d{14}-[0-9a-f]{12}/.test(version) ? version : undefined;
}

function defined(attributes: Readonly<Record<string, AttributeValue | undefined>>): Attributes {
  const entries = Object.entries(attributes).filter(
    (entry): entry is [string, AttributeValue] => entry[1] !== undefined,
  );
  return Object.fromEntries(entries);
}
