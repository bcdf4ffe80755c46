import { readFileSync } from 'node:fs';

/** The version of uspan, from its package.json (two levels up from here, in the sources as in a build). */
export function agentVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
