import picomatch from 'picomatch';
import { definitions } from '../probes/definitions/index.ts';
import type { DefinitionRecipe } from '../probes/definitions/recipe.ts';
import type { Settings } from '../settings/table.ts';

/** The libraries that uspan knows, without those left out, and what the user declares. */
export function chooseDefinitions({ without, probes }: Pick<Settings, 'without' | 'probes'>): DefinitionRecipe {
  const leftOut = picomatch([...without], { bash: true });
  const names = definitions.map(({ name }) => name).filter((name) => !pathsOf(name).some((path) => leftOut(path)));
  return { names, pairs: probes };
}

/** `node/http/server`, `node/http`, `node`: a name leaves out everything below it. */
function pathsOf(name: string): string[] {
  const parts = name.split('/');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}
