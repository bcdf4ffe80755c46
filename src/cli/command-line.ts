import { Command, CommanderError, Option } from 'commander';
import { UspanError } from '../contract/errors.ts';
import type { Settings } from '../settings/table.ts';
import { parseValue } from '../settings/value.ts';
import { type CommandName, type CommandSpec, commands, type Flag, flagsOf, type Options } from './flags.ts';

/** What a command line asks for: a command, the version, or a text (help) on stdout. */
export type Request =
  | {
      [C in CommandName]: {
        readonly command: C;
        readonly options: Options<(typeof commands)[C]>;
        /** Settings that were given. The others may come from elsewhere. */
        readonly given: Partial<Settings>;
      };
    }[CommandName]
  | { readonly command: 'version' }
  | { readonly command: 'print'; readonly text: string };

/**
 * Parses the arguments behind the program's name. Pure, except for the width of the terminal.
 * @throws UspanError E_USAGE that names what is wrong
 */
export function parseCommandLine(argv: readonly string[]): Request {
  let request: Request | undefined;
  let printed = '';
  const program = new Command('uspan')
    .description('Turns what running programs do into OpenTelemetry traces, without touching them.')
    // The caller decides what to print.
    .version('', '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        printed += text;
      },
      // The error is also thrown.
      writeErr: () => {},
    });
  for (const [name, spec] of Object.entries(commands)) {
    addCommand(program, name, spec, (options, given) => {
      request = { command: name, options, given } as Request;
    });
  }
  try {
    program.parse(argv.length === 0 ? ['--help'] : argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageError(error);
    if (error.code === 'commander.version') return { command: 'version' };
  }
  return request ?? { command: 'print', text: printed };
}

function addCommand(
  program: Command,
  name: string,
  spec: CommandSpec,
  found: (options: unknown, given: unknown) => void,
): void {
  const command = program.command(name).description(spec.summary).helpOption('-h, --help', 'show this help');
  const attributes = new Map<string, string>();
  for (const [key, flag] of flagsOf(spec)) {
    const option = optionOf(flag);
    attributes.set(key, option.attributeName());
    command.addOption(option);
  }
  for (const [one, other] of spec.conflicts ?? []) {
    const option = command.options.find((each) => each.attributeName() === attributes.get(one));
    option?.conflicts(attributes.get(other)!);
  }
  if (spec.settings.length > 0)
    command.addHelpText('after', '\nMost can also be set by variables and a file: docs/settings.md\n');
  const { subject } = spec;
  if (subject) command.argument(`<${subject.shown}>`, subject.help);
  command.allowExcessArguments(false).action(() => {
    const parsed: Record<string, unknown> = command.opts();
    const of = (key: string) => parsed[attributes.get(key)!];
    const options = Object.entries(spec.flags).map(([key, { initial }]) => [key, of(key) ?? initial]);
    if (subject) options.push([subject.name, parseValue(`<${subject.shown}>`, subject.value, command.args[0]!)]);
    const given = spec.settings.map((key) => [key, of(key)]).filter(([, value]) => value !== undefined);
    found(Object.fromEntries(options), Object.fromEntries(given));
  });
}

function optionOf({ flag, help, value, repeatable, initial }: Flag): Option {
  const takesValue = flag.includes('<');
  const shown = takesValue && initial !== undefined && !repeatable;
  const option = new Option(flag, shown ? `${help} (default: ${initial})` : help);
  if (!takesValue) return option;
  const parse = (given: string) => parseValue(option.long!, value, given);
  return repeatable
    ? option.argParser((given, before: readonly unknown[] = []) => [...before, parse(given)])
    : option.argParser(parse);
}

/** Commander's words (`error: unknown option '--pidd'\n(Did you mean --pid?)`) as one of ours. */
function usageError(error: CommanderError): UspanError {
  const message = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  return new UspanError('E_USAGE', message, { fix: 'uspan --help and uspan COMMAND --help show what there is' });
}
