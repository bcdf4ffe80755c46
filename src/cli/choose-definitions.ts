import picomatch from 'picomatch';
import { definitions } from '../probes/definitions/index.ts';
import type { DefinitionRecipe } from '../probes/definitions/recipe.ts';
import type { Settings } from '../settings/table.ts';

/** The libraries uspan knows, but those left out, and what the user declares. */
export function chooseDefinitions({ without, probes }: Pick<Settings, 'without' | 'probes'>): DefinitionRecipe {
  const leftOut = picomatch([...without], { bash: true });
  const names = definitions.map(({ name }) => name).filter((name) => !leftOut(name));
  return { names, pairs: probes };
}
