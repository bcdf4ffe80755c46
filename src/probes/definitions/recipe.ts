import picomatch from 'picomatch';
import { attributeKey } from '../../contract/attribute-key.ts';
import type { ProbeDefinition } from '../../contract/decision.ts';
import type { PairArgument } from '../pair/pair.ts';
import { usdtPair } from '../pair/usdt-pair.ts';
import { definitions } from './index.ts';

/** A pair of USDT probes that a user declares, as plain data. */
export interface DeclaredPair {
  /** Texts and, as numbers, indexes into `arguments`. */
  readonly spanName: readonly (string | number)[];
  readonly provider: string;
  readonly start: string;
  readonly during: string | undefined;
  readonly end: string;
  /** Glob of the file that has the probes. */
  readonly file: string | undefined;
  readonly arguments: readonly {
    /** The attribute's name. */
    readonly name: string;
    readonly of: 'start' | 'during' | 'end';
    /** Counted from 0. */
    readonly argument: number;
    readonly type: PairArgument['type'];
    readonly lengthArgument: number | undefined;
  }[];
  readonly minDurationNs: number;
  /** 0: no limit. */
  readonly maxPerSecond: number;
}

/** What a run's definitions are made from. Plain data, so that another thread can make the same ones. */
export interface DefinitionRecipe {
  /** Names of the libraries that uspan knows. */
  readonly names: readonly string[];
  readonly pairs: readonly DeclaredPair[];
}

/** Shared libraries and add-ons of Node.js. */
const anyLibrary = /\.so(\.|$)|\.node$/;

/** The same recipe gives the same definitions in the same order. */
export function makeDefinitions({ names, pairs }: DefinitionRecipe): ProbeDefinition[] {
  return [...definitions.filter(({ name }) => names.includes(name)), ...pairs.map(definitionOf)];
}

function definitionOf(pair: DeclaredPair): ProbeDefinition {
  const { provider, start, during, end, file, spanName, minDurationNs, maxPerSecond } = pair;
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
    arguments: pair.arguments.map(({ name, of, argument, type, lengthArgument }) => ({
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
