import type { BinaryFacts } from '../contract/binary.ts';
import type { Resource } from '../contract/span.ts';
import { endedIdentity, identity } from '../discovery/processes/identity.ts';
import type { Target } from './target.ts';

export interface IdentitiesOptions {
  /** Version of the agent. */
  readonly version: string;
  /** `service.name` of every target, in place of its own. */
  readonly serviceName: string | undefined;
}

/** Makes the resources of processes. */
export class Identities {
  readonly #options: { readonly agentVersion: string; readonly serviceName: string | undefined };

  constructor({ version, serviceName }: IdentitiesOptions) {
    this.#options = { agentVersion: version, serviceName };
  }

  /** Reads what the process says of itself. */
  of({ facts, files }: Target): Resource {
    const program = files.find(({ file }) => file.role === 'executable');
    return identity(facts, { ...this.#options, binary: program?.inspection?.binary });
  }

  /** For a process that ended before uspan could look at it: only its file is known. */
  ofEnded(pid: number, binary: BinaryFacts): Resource {
    return endedIdentity(pid, binary.path, { ...this.#options, binary });
  }
}
