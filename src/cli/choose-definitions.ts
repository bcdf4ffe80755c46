import picomatch from 'picomatch';
import type { UserProbe } from '../config/user-probe.ts';
import { attributeKey } from '../contract/attribute-key.ts';
import type { ProbeDefinition } from '../contract/decision.ts';
import { definitions } from '../probes/definitions/index.ts';
import { usdtPair } from '../probes/pair/pair.ts';

export interface DefinitionChoice {
  /** Globs of names to leave out. */
  readonly without: readonly string[];
  readonly configFile: string | undefined;
}

/** Shared libraries and add-ons of Node.js. */
const anyLibrary = /\.so(\.|$)|\.node$/;

/** The libraries uspan knows, but those left out, and what the configuration file declares. @throws UspanError E_CONFIG */
export async function chooseDefinitions(choice: DefinitionChoice): Promise<ProbeDefinition[]> {
  // The YAML reader takes 30 ms and some megabytes.
  const config = choice.configFile && (await import('../config/config-file.ts')).readConfigFile(choice.configFile);
  const leftOut = picomatch([...choice.without, ...(config ? config.without : [])], { bash: true });
  return [...definitions.filter(({ name }) => !leftOut(name)), ...(config ? config.probes.map(definitionOf) : [])];
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
