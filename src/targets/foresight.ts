import type { TargetSelector } from '../discovery/processes/select-targets.ts';
import type { Guard } from '../guard.ts';
import type { Binaries } from '../probes/attach/binaries.ts';
import { programFileAt } from '../probes/attach/process-files.ts';

export interface ForesightOptions {
  readonly selector: TargetSelector;
  readonly binaries: Pick<Binaries, 'known' | 'hasProbes' | 'foresee'>;
  readonly guard: Guard;
}

/** Attaches to programs that do not run: those that rules name by their path, and those that ended too early and may start again. */
export class Foresight {
  readonly #options: ForesightOptions;
  #missed = 0;

  constructor(options: ForesightOptions) {
    this.#options = options;
  }

  /** Processes that ended before their program had probes, although rules select it and a definition is for it. */
  get missed(): number {
    return this.#missed;
  }

  /** A selected process ended before its program could be read. */
  count(): void {
    this.#missed++;
  }

  /**
   * A process ended before uspan could look at it.
   * @param path of its program. Undefined: not known
   */
  ended(path: string | undefined): void {
    const { selector, binaries, guard } = this.#options;
    if (path === undefined || !selector.names(path)) return;
    const file = programFileAt(path);
    if (!file) {
      this.#missed++;
      return;
    }
    if (binaries.known(file.identity)?.nothing || binaries.hasProbes(file.identity)) return;
    void guard.settle('a program that ended early', async () => {
      if (await binaries.foresee(file)) this.#missed++;
    });
  }

  /** Resolves when those of these programs are attached that rules name by their whole path. */
  async lookAt(globs: readonly string[]): Promise<void> {
    const { selector, binaries } = this.#options;
    const paths = globs.filter((glob) => /^\/[^*?[\]{}()!+@|\\]*$/.test(glob) && selector.names(glob));
    await Promise.all(paths.map(programFileAt).map((file) => file && binaries.foresee(file)));
  }
}
