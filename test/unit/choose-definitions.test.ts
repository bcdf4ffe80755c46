import { expect, test } from 'vitest';
import { chooseDefinitions } from '../../src/cli/choose-definitions.ts';

const names = (...without: string[]) => chooseDefinitions({ without, probes: [] }).names;
const all = names();

test('without a name, all below it, or what a glob matches', () => {
  const but = (wanted: (name: string) => boolean) => all.filter((name) => !wanted(name));
  expect(names('node/http/client')).toEqual(but((name) => name === 'node/http/client'));
  expect(names('node/http')).toEqual(but((name) => name.startsWith('node/http/')));
  expect(names('node')).toEqual(but((name) => name.startsWith('node/')));
  expect(names('node/*')).toEqual(but((name) => name.startsWith('node/')));
  expect(names('node/*', 'go')).toEqual(but((name) => /^(node|go)\//.test(name)));
  expect(names('nod', 'http', 'server')).toEqual(all);
});
