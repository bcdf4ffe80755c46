import type { BinaryFacts } from '../contract/binary.ts';
import type { Notify } from '../contract/notify.ts';
import type { Resource } from '../contract/span.ts';
import { endedIdentity, goneIdentity, type IdentityOptions, identity } from '../discovery/processes/identity.ts';
import type { Target } from './target.ts';

/** A process can have thousands. */
const shownFaults = 5;

export interface IdentitiesOptions {
  /** Version of the agent. */
  readonly version: string;
  /** `service.name` of every target, in place of its own. */
  readonly serviceName: string | undefined;
  readonly notify: Notify;
}

/** Makes the resources of processes. */
export class Identities {
  readonly #options: IdentityOptions;

  constructor({ version, serviceName, notify }: IdentitiesOptions) {
    const onFaults = (pid: number, faults: readonly string[]) =>
      notify('warn', 'left out parts of the OTEL_RESOURCE_ATTRIBUTES of a process', {
        pid,
        parts: faults.slice(0, shownFaults).join('; '),
      });
    this.#options = { agentVersion: version, serviceName, onFaults };
  }

  /** Reads what the process says of itself. */
  of(target: Target): Resource {
    return identity(target.facts, { ...this.#options, binary: programOf(target) });
  }

  /** The same, after it has ended or has become another program: what it said of itself can no longer be read. */
  ofGone(target: Target): Resource {
    return goneIdentity(target.facts, { ...this.#options, binary: programOf(target) });
  }

  /** For a process that ended before uspan could look at it: only its file is known. */
  ofEnded(pid: number, binary: BinaryFacts): Resource {
    return endedIdentity(pid, binary.path, { ...this.#options, binary });
  }
}

function programOf({ files }: Target): BinaryFacts | undefined {
  return files.find(({ file }) => file.role === 'executable')?.inspection?.binary;
}
