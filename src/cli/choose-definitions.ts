import picomatch from 'picomatch';
import { attributeKey } from '../contract/attribute-key.ts';
import type { ProbeDefinition } from '../contract/decision.ts';
import { definitions } from '../probes/definitions/index.ts';
import { usdtPair } from '../probes/pair/pair.ts';
import type { Settings } from '../settings/table.ts';
import type { UserProbe } from '../settings/user-probe.ts';

/** Shared libraries and add-ons of Node.js. */
const anyLibrary = /\.so(\.|$)|\.node$/;

/** The libraries uspan knows, but those left out, and what the user declares. */
export function chooseDefinitions({ without, probes }: Pick<Settings, 'without' | 'probes'>): ProbeDefinition[] {
  const leftOut = picomatch([...without], { bash: true });
  return [...definitions.filter(({ name }) => !leftOut(name)), ...probes.map(definitionOf)];
}

function definitionOf(probe: UserProbe): ProbeDefinition {
  const { provider, start, during, end, file, spanName, minDurationNs, maxPerSecond } = probe;
  const isFile = file === undefined ? undefined : picomatch.makeRe(file, { bash: true, dot: true });
  return usdtPair({
    name: `usdt/${provider}/${start}`,
    library: `USDT probes ${provider}:${start} and ${end}`,
    versions: 'any',
    provider,
    start,
    end,
    ...(during === undefined ? {} : { during }),
    ...(isFile ? { programs: (path) => isFile.test(path.slice(path.lastIndexOf('/') + 1)) } : {}),
    libraries: isFile || anyLibrary,
    spanName,
    arguments: probe.arguments.map(({ name, of, argument, type, lengthArgument }) => ({
      key: attributeKey(name),
      of,
      argument,
      type,
      ...(lengthArgument === undefined ? {} : { lengthArgument }),
    })),
    minDurationNs,
    maxPerSecond,
  });
}
