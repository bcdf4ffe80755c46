import { readFileSync } from 'node:fs';

/** The version of uspan, of its package.json (two levels up from here, as source and as built). */
export function agentVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
