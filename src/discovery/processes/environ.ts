import { nulSeparated, readProcFile } from './proc-file.ts';

const maxEnvironBytes = 1024 * 1024;

/** The environment that a process started with. Later changes do not show. Empty if it is unreadable. */
export function readEnviron(pid: number): ReadonlyMap<string, string> {
  const bytes = readProcFile(`/proc/${pid}/environ`, maxEnvironBytes);
  return parseEnviron(bytes ? nulSeparated(bytes, bytes.length < maxEnvironBytes) : []);
}

/** `NAME=value` strings. Of a name that occurs twice, the first counts, as for getenv(3). */
export function parseEnviron(strings: readonly string[]): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const text of strings) {
    const equals = text.indexOf('=');
    const name = text.slice(0, equals);
    if (equals > 0 && !variables.has(name)) variables.set(name, text.slice(equals + 1));
  }
  return variables;
}
