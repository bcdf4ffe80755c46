import type { OtlpProtocol } from '../contract/export-settings.ts';
import type { ConfigNode } from './config-node.ts';
import type { SamplerName } from './sampler.ts';
import type { Value } from './value.ts';

/** Settings that decide what other settings may be. */
export interface Deciding {
  readonly sampler: SamplerName;
  readonly otlpProtocol: OtlpProtocol;
}

/** One setting: where it comes from, its values, and its purpose. Parsing, `--help` and the pages in docs/ are made from it. */
export interface Setting<T> {
  readonly help: string;
  /** As commander writes it: `--pid <n>`. Without a `<…>`, the flag takes no value. */
  readonly flag?: string;
  /** Variables. The first that is set counts. */
  readonly environment?: readonly string[];
  /** Path of the key in the settings file: `limits.ring_bytes`. */
  readonly yaml?: string;
  /** One value, or one of a list. */
  readonly value: Value<unknown>;
  /** A list: the flag can be repeated, a variable has commas, the file has a list. */
  readonly repeatable: boolean;
  /** A list to which every source adds, instead of the first one winning. */
  readonly adds?: boolean;
  readonly initial: T;
  /** How to show the default if it is not a plain value. */
  readonly shownInitial?: string;
  /** What else the value must be, once those settings are known. */
  readonly also?: (deciding: Deciding) => Value<unknown>;
  /** Reads a key of the file that is more than a value or a list of values. */
  readonly read?: (node: ConfigNode) => T;
  /** Whether a running agent could follow a change. It could not if something attached or loaded depends on it. */
  readonly reloadable: boolean;
}

/** The parts of a row that do not belong to its value. */
export type Place = Pick<Setting<unknown>, 'flag' | 'environment' | 'yaml' | 'shownInitial' | 'also' | 'reloadable'>;

/** With a default. */
export function defaulted<T>(value: Value<T>, initial: T, help: string, place: Place): Setting<T> {
  return { ...place, help, value, initial, repeatable: false };
}

/** May be left out. */
export function optional<T>(value: Value<T>, help: string, place: Place): Setting<T | undefined> {
  return { ...place, help, value, initial: undefined, repeatable: false };
}

export function list<T>(value: Value<T>, initial: readonly T[], help: string, place: Place): Setting<readonly T[]> {
  return { ...place, help, value, initial, repeatable: true };
}
