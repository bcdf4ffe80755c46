import type { Place } from '../../contract/decision.ts';
import { locateNotes } from './notes.ts';
import { locateCalls, locateInFunction, type UnnamedSite } from './places.ts';
import type { ProgramCode } from './program-code.ts';

/** The sites of a place, at least one, or why there is none. */
export type Located =
  | { readonly found: true; readonly sites: readonly UnnamedSite[] }
  | { readonly found: false; readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** Finds the sites of `place`. A missing symbol is an answer, not an error. */
export function locate(program: ProgramCode, place: Place): Located {
  if (place.at === 'note') return locateNotes(program.binary, place);
  if (place.at === 'any') return locateAny(program, place.places);
  const located = place.at === 'calls' ? locateCalls(program, place) : [locateInFunction(program, place)];
  const sites: UnnamedSite[] = [];
  for (const each of located) {
    if (!each.found) return each;
    sites.push(each.site);
  }
  return { found: true, sites };
}

/** If no place is there, says why the first one is not. */
function locateAny(program: ProgramCode, places: readonly Place[]): Located {
  const all = places.map((place) => locate(program, place));
  const sites = all.flatMap((located) => (located.found ? located.sites : []));
  return sites.length > 0 ? { found: true, sites } : all[0]!;
}
