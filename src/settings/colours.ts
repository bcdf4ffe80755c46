import { createColors } from 'picocolors';
import type { Colors } from 'picocolors/types.js';

/** Colours of a stream: on a terminal that has any, unless NO_COLOR is set. Not picocolors' own guess, which also colours pipes where CI is set. */
export function coloursOf(stream: { readonly isTTY?: boolean | undefined }): Colors {
  return createColors(stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb');
}
