import type { ConfigNode } from './config-node.ts';
import type { Setting } from './setting.ts';
import { rows, type SettingName, type Settings } from './table.ts';
import { parseValue, type Value } from './value.ts';

/** An empty variable is an unset one (OpenTelemetry specification, "Environment Variable Specification"). */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Sources of settings, the strongest first. The table has the default for what none of them has. */
export interface Sources {
  /** What was given on the command line. */
  readonly flags?: Partial<Settings>;
  readonly environment: Environment;
  /** The keys of a settings file by their path, such as `limits.ring_bytes`. */
  readonly file?: ReadonlyMap<string, ConfigNode>;
}

/** Reads flags, environment and the settings file, if they name one. @throws UspanError E_USAGE, E_CONFIG */
export async function readSettings(flags: Partial<Settings>, environment: Environment): Promise<Settings> {
  const path = flags.configFile ?? environment.USPAN_CONFIG?.trim();
  // The YAML reader takes 30 ms and some megabytes.
  const file = path ? (await import('./config-file.ts')).readConfigFile(path) : undefined;
  return settingsOf({ flags, environment, ...(file && { file }) });
}

/** A setting as it was found, and how to report that it is wrong. */
interface Found {
  readonly value: unknown;
  /** Throws if the text is not an allowed `value`. */
  readonly check: (value: Value<unknown>) => void;
}

/** @throws UspanError E_USAGE or E_CONFIG that names the flag, the variable, or the position in the file, and what is allowed */
export function settingsOf({ flags = {}, environment, file = new Map() }: Sources): Settings {
  const found = new Map<SettingName, Found>();
  for (const [name, setting] of rows) {
    const given = flags[name] === undefined ? undefined : { value: flags[name], check: () => {} };
    // It reads all of them, so that it reports a wrong value even if another source wins.
    const all = [given, inEnvironment(setting, environment), inFile(setting, file)].filter(
      (each) => each !== undefined,
    );
    const [first] = all;
    if (first) found.set(name, setting.adds ? { ...first, value: all.flatMap(({ value }) => value) } : first);
  }
  const entries = rows.map(([name, { initial }]) => [name, found.has(name) ? found.get(name)!.value : initial]);
  const settings = Object.fromEntries(entries) as Settings;
  for (const [name, { also }] of rows) if (also) found.get(name)?.check(also(settings));
  return settings;
}

function inEnvironment(setting: Setting<unknown>, environment: Environment): Found | undefined {
  const set = setting.environment?.filter((each) => environment[each]?.trim()) ?? [];
  const all = set.map((name) => {
    const text = environment[name]!.trim();
    const parse = (value: Value<unknown>) =>
      setting.repeatable
        ? text.split(',').map((part) => parseValue(name, value, part.trim()))
        : parseValue(name, value, text);
    return { value: parse(setting.value), check: parse };
  });
  return all[0];
}

function inFile(setting: Setting<unknown>, file: ReadonlyMap<string, ConfigNode>): Found | undefined {
  const node = setting.yaml === undefined ? undefined : file.get(setting.yaml);
  if (node === undefined) return undefined;
  if (setting.read) return { value: setting.read(node), check: () => {} };
  const parse = (value: Value<unknown>) =>
    setting.repeatable ? node.items().map((item) => item.parse(value)) : node.parse(value);
  return { value: parse(setting.value), check: parse };
}
