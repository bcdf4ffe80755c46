import type { BinaryFacts } from '../contract/binary.ts';
import type { Resource } from '../contract/span.ts';
import { endedIdentity, identity } from '../discovery/processes/identity.ts';
import type { Target } from './target.ts';

export interface IdentitiesOptions {
  /** Of the agent. */
  readonly version: string;
  /** `service.name` of every target, whatever it says itself. */
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

  /** Of a process that ended before it could be looked at: all that is known is what it ran. */
  ofEnded(pid: number, binary: BinaryFacts): Resource {
    return endedIdentity(pid, binary.path, { ...this.#options, binary });
  }
}
