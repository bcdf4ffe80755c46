import type { Colors, Formatter } from 'picocolors/types.js';
import type { Notify } from '../otel/losses.ts';
import { coloursOf } from '../settings/colours.ts';
import { logLevels, type Settings } from '../settings/table.ts';

type LogLevel = Settings['logLevel'];

/** The part of process.stderr that is needed. Written at once, so that the last words before an exit are not lost. */
export interface LogStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

const colourOf: Record<LogLevel, (colours: Colors) => Formatter> = {
  fatal: ({ bgRed }) => bgRed,
  error: ({ red }) => red,
  warn: ({ yellow }) => yellow,
  info: ({ green }) => green,
  debug: ({ blue }) => blue,
  trace: ({ gray }) => gray,
};

/**
 * Logs a line each: `[14:31:27.667] INFO: attached {"process":12}`. The details are JSON, so nothing that others named can drive a terminal.
 * By hand, because a logging library with its formatter takes 15 MB of memory.
 */
export function openLog(
  least: LogLevel,
  stream: LogStream = process.stderr,
  now: () => Date = () => new Date(),
): Notify {
  const colours = coloursOf(stream);
  const enabled = new Set<LogLevel>(logLevels.slice(0, logLevels.indexOf(least) + 1));
  return (level, message, details) => {
    if (!enabled.has(level)) return;
    const shown = Object.keys(details).length > 0 ? ` ${colours.gray(asJson(details))}` : '';
    const name = colourOf[level](colours)(level.toUpperCase());
    stream.write(`[${timeOfDay(now())}] ${name}: ${colours.cyan(message)}${shown}\n`);
  };
}

/** JSON escapes the control characters of ASCII; what else moves a cursor or reorders a line is escaped here. */
function asJson(details: object): string {
  return JSON.stringify(details).replaceAll(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function timeOfDay(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}
