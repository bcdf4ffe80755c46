/** Every command and flag, once: parsing, --help and the reference in docs/ are made from this table. */
import { oneOf, powerOfTwo, text, type Value, wholeNumber } from '../config/value.ts';

/** A flag whose option has type T. */
export interface Flag<T> {
  /** As commander writes it: `--pid <n>`. */
  readonly flag: string;
  readonly help: string;
  /** Undefined for a flag that is on or off. */
  readonly value: Value<unknown> | undefined;
  readonly repeatable: boolean;
  /** What the option is when the flag is not given. */
  readonly initial: T;
}

/** What a command is about, given without a flag; the option of that name. */
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
  readonly flags: Readonly<Record<string, Flag<unknown>>>;
  /** Options that exclude each other. */
  readonly conflicts?: readonly (readonly [string, string])[];
}

/** The options of a command: one property a flag, and one for its subject. */
export type Options<C extends CommandSpec> = {
  readonly [K in keyof C['flags']]: C['flags'][K] extends Flag<infer T> ? T : never;
} & (C extends { readonly subject: Subject<infer N> } ? { readonly [K in N]: string } : unknown);

const toggle = (flag: string, help: string): Flag<boolean> => {
  return { flag, help, value: undefined, repeatable: false, initial: false };
};
const list = <T>(flag: string, value: Value<T>, help: string): Flag<readonly T[]> => {
  return { flag, help, value, repeatable: true, initial: [] };
};
const optional = <T>(flag: string, value: Value<T>, help: string): Flag<T | undefined> => {
  return { flag, help, value, repeatable: false, initial: undefined };
};
const defaulted = <T>(flag: string, value: Value<T>, initial: T, help: string): Flag<T> => {
  return { flag, help, value, repeatable: false, initial };
};

const glob = text('a glob', 1024);
const MiB = 1024 * 1024;

/** Which processes; none of them means every process uspan can trace. */
const targets = {
  // PID_MAX_LIMIT of include/linux/threads.h.
  pids: list('--pid <n>', wholeNumber(1, 4194304), 'take the process with this id (repeatable)'),
  exeGlobs: list('--exe <glob>', glob, 'take processes by the path or name of their executable (repeatable)'),
  ports: list('--port <n>', wholeNumber(1, 65535), 'take processes that listen on this TCP port (repeatable)'),
  excludeExeGlobs: list('--exclude-exe <glob>', glob, 'leave out processes by their executable (repeatable)'),
};

/** What is attached to them. */
const choices = {
  allowSingleStep: toggle('--single-step', 'accept places where a probe costs about 15 µs a hit instead of 0.5'),
  allowInstrumented: toggle('--instrumented', 'also trace programs that already export with an OpenTelemetry SDK'),
  without: list('--without <glob>', glob, 'leave out a library uspan knows, by its definition (repeatable)'),
  configFile: optional('--config <file>', text('the path of a file', 4095), 'take probes of your own from a YAML file'),
};

export const commands = {
  run: {
    summary: 'trace the programs of this host until stopped',
    flags: {
      ...targets,
      ...choices,
      serviceName: optional('--service-name <name>', text('a name', 255), 'service.name of everything traced'),
      console: toggle('--console', 'print span trees to the terminal instead of sending spans'),
      json: toggle('--json', 'print spans as JSON, one a line, instead of sending them'),
      reportFile: optional(
        '--report <file>',
        text('the path of a file', 4095),
        'at the end, write what was attached, seen and lost',
      ),
      maxInFlight: defaulted('--max-in-flight <n>', wholeNumber(64, 1048576), 16384, 'requests followed at a time'),
      maxPathBytes: defaulted('--max-path-bytes <n>', wholeNumber(16, 8192), 1024, 'longest URL path and query kept'),
      maxStatementBytes: defaulted('--max-statement-bytes <n>', wholeNumber(16, 8192), 4096, 'longest SQL text kept'),
      ringBytes: defaulted(
        '--ring-bytes <n>',
        powerOfTwo(65536, 1024 * MiB),
        4 * MiB,
        'buffer between kernel and uspan',
      ),
      logLevel: defaulted(
        '--log-level <level>',
        oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace']),
        'info',
        'least severity that is logged to stderr',
      ),
    },
    conflicts: [['console', 'json']],
  },
  discover: {
    summary: 'show what would be attached, and why not the rest',
    flags: {
      ...targets,
      ...choices,
      explain: toggle('--explain', 'also say why each place was chosen or refused'),
      json: toggle('--json', 'print JSON'),
    },
  },
  doctor: {
    summary: 'check whether this host can run uspan',
    flags: { json: toggle('--json', 'print JSON') },
  },
  usdt: {
    summary: 'list the USDT probes of a program or a process',
    subject: {
      name: 'target',
      shown: 'pid|file',
      help: 'id of a process (its libraries are listed, too), or path of a program or library',
      value: text('a process id or the path of a file', 4095),
    },
    flags: { json: toggle('--json', 'print JSON') },
  },
  demo: {
    summary: 'run the example shop and show its traces',
    flags: {
      durationSeconds: defaulted('--duration <seconds>', wholeNumber(1, 3600), 20, 'how long'),
      json: toggle('--json', 'print spans as JSON, one a line'),
    },
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof commands;
export type RunOptions = Options<typeof commands.run>;
export type DiscoverOptions = Options<typeof commands.discover>;
export type DoctorOptions = Options<typeof commands.doctor>;
export type UsdtOptions = Options<typeof commands.usdt>;
export type DemoOptions = Options<typeof commands.demo>;
