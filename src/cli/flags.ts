/** Every command and flag, once. Parsing, --help and docs/cli.md are made from this table and from that of the settings. */

import { defaulted, type Setting } from '../settings/setting.ts';
import { type SettingName, table } from '../settings/table.ts';
import { text, truth, type Value, wholeNumber } from '../settings/value.ts';

/** A row that has a flag. */
export type Flag = Setting<unknown> & { readonly flag: string };

/** What a command is about. It is given without a flag, and becomes the option of that name. */
export interface Subject<N extends string> {
  readonly name: N;
  /** For usage lines: `pid|file`. */
  readonly shown: string;
  readonly help: string;
  readonly value: Value<string>;
}

export interface CommandSpec {
  readonly summary: string;
  readonly subject?: Subject<string>;
  /** Settings that it takes as flags. Their values may also come from elsewhere. */
  readonly settings: readonly SettingName[];
  /** Of this command alone. */
  readonly flags: Readonly<Record<string, Setting<unknown>>>;
  /** Flags that exclude each other. */
  readonly conflicts?: readonly (readonly [string, string])[];
}

/** The options of a command alone: one property for each flag, and one for its subject. */
export type Options<C extends CommandSpec> = {
  readonly [K in keyof C['flags']]: C['flags'][K] extends Setting<infer T> ? T : never;
} & (C extends { readonly subject: Subject<infer N> } ? { readonly [K in N]: string } : unknown);

const toggle = (flag: string, help: string) => defaulted(truth, false, help, { flag, reloadable: false });

/** Which processes to trace, and what to attach to them. */
const selection = [
  ...(['pids', 'exeGlobs', 'ports', 'excludeExeGlobs'] as const),
  ...(['allowSingleStep', 'allowInstrumented', 'without', 'configFile'] as const),
] as const satisfies readonly SettingName[];

export const commands = {
  run: {
    summary: 'trace the programs of this host until stopped',
    settings: [
      ...selection,
      ...(['allowSecond', 'serviceName', 'console', 'json', 'reportFile'] as const),
      ...(['maxInFlight', 'maxPathBytes', 'maxStatementBytes', 'ringBytes'] as const),
      ...(['redactedQueryKeys', 'logLevel'] as const),
    ],
    flags: {},
    conflicts: [['console', 'json']],
  },
  discover: {
    summary: 'show what uspan would attach, and why not the rest',
    settings: selection,
    flags: {
      explain: toggle('--explain', 'also say why each site was chosen or refused'),
      json: toggle('--json', 'print JSON'),
    },
  },
  doctor: {
    summary: 'check whether this host can run uspan',
    settings: [],
    flags: { json: toggle('--json', 'print JSON') },
  },
  usdt: {
    summary: 'list the USDT probes of a program or a process',
    subject: {
      name: 'target',
      shown: 'pid|file',
      help: 'the id of a process, whose libraries are also listed, or the path of a program or library',
      value: text('a process id or the path of a file', 4095),
    },
    settings: [],
    flags: { json: toggle('--json', 'print JSON') },
  },
  demo: {
    summary: 'run the example shop and show its traces',
    settings: [],
    flags: {
      durationSeconds: defaulted(wholeNumber(1, 3600), 20, 'how long to run', {
        flag: '--duration <seconds>',
        reloadable: false,
      }),
      json: toggle('--json', 'print spans as JSON, one per line'),
    },
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof commands;
export type DiscoverOptions = Options<typeof commands.discover>;
export type DoctorOptions = Options<typeof commands.doctor>;
export type UsdtOptions = Options<typeof commands.usdt>;
export type DemoOptions = Options<typeof commands.demo>;

/** The flags of a command by the names of their options. Those of settings come first. */
export function flagsOf({ settings, flags }: CommandSpec): readonly (readonly [string, Flag])[] {
  const all: [string, Setting<unknown>][] = [
    ...settings.map((name): [string, Setting<unknown>] => [name, table[name]]),
    ...Object.entries(flags),
  ];
  return all as [string, Flag][];
}
