import { type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { printable } from '../contract/printable.ts';
import type { Notify } from '../otel/losses.ts';
import { coloursOf } from '../settings/colours.ts';
import { stderr } from './stderr.ts';

/** Of a message or a detail. An error with the end of a verifier's log is shorter. */
const maxTextLength = 4096;

/** Logs go to stderr, one line each. */
export function openLogger(level: string): Logger {
  const pretty = prettyFactory({
    colorize: coloursOf(stderr).isColorSupported,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  // Texts are escaped already. What drives the terminal here are the formatter's own colours.
  return pino({ level, base: null }, { write: (line) => stderr.write(pretty(line)) });
}

/** The logger as the layers below see it. */
export function notifier(logger: Logger): Notify {
  return (level, message, details) => {
    const shown = Object.entries(details).map(([name, value]) => [
      name,
      typeof value === 'string' ? text(value) : value,
    ]);
    logger[level](Object.fromEntries(shown), text(message));
  };
}

/** Nearly all texts have names in them that others chose. */
function text(value: string): string {
  return printable(value, maxTextLength);
}
