import { nulSeparated, readProcFile } from './proc-file.ts';

const maxEnvironBytes = 1024 * 1024;

/** The environment a process was started with (later changes do not show). Empty when it may not be read. */
export function readEnviron(pid: number): ReadonlyMap<string, string> {
  const bytes = readProcFile(`/proc/${pid}/environ`, maxEnvironBytes);
  return parseEnviron(bytes ? nulSeparated(bytes, bytes.length < maxEnvironBytes) : []);
}

/** `NAME=value` strings; of a name given twice the first counts, as for getenv(3). */
export function parseEnviron(strings: readonly string[]): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const text of strings) {
    const equals = text.indexOf('=');
    const name = text.slice(0, equals);
    if (equals > 0 && !variables.has(name)) variables.set(name, text.slice(equals + 1));
  }
  return variables;
}
