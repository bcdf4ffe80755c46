import { Moment } from './layout.gen.ts';

const names = new Map<number, string>(
  Object.entries(Moment)
    .filter(([name]) => name !== 'COUNT')
    .map(([name, value]) => [value, name.toLowerCase()]),
);

/** `start`, `end`, `panic`: an `enum uspan_moment` for people. */
export function momentName(moment: number): string {
  return names.get(moment) ?? String(moment);
}
