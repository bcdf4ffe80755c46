import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { Notify } from '../otel/losses.ts';
import { coloursOf } from '../settings/colours.ts';

/** Logs go to stderr, one line each. They are written synchronously, so that the last words before an exit are not lost. */
export function openLogger(level: string): Logger {
  const people = pretty({
    colorize: coloursOf(process.stderr).isColorSupported,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    sync: true,
    destination: 2,
  });
  return pino({ level, base: null }, people);
}

/** The logger as the layers below see it. */
export function notifier(logger: Logger): Notify {
  return (level, message, details) => logger[level](details, message);
}
