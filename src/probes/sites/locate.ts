import type { Binary } from '../../contract/binary.ts';
import type { Place } from '../../contract/decision.ts';
import { locateNotes } from './notes.ts';
import { locateCalls, locateInFunction, type UnnamedSite } from './places.ts';

/** The sites of a place, at least one, or why there is none. */
export type Located =
  | { readonly found: true; readonly sites: readonly UnnamedSite[] }
  | { readonly found: false; readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/** Finds the sites for `place`: where a probe has to be for its moment. A missing symbol is an answer, not an error. */
export function locate(binary: Binary, place: Place): Located {
  if (place.at === 'note') return locateNotes(binary, place);
  const located = place.at === 'calls' ? locateCalls(binary, place) : [locateInFunction(binary, place)];
  const sites: UnnamedSite[] = [];
  for (const each of located) {
    if (!each.found) return each;
    sites.push(each.site);
  }
  return { found: true, sites };
}
