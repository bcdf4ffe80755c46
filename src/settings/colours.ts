import { createColors } from 'picocolors';
import type { Colors } from 'picocolors/types.js';

/** Colours of a stream: on a terminal that has any, unless NO_COLOR is set. picocolors' own guess also colours pipes if CI is set. */
export function coloursOf(stream: { readonly isTTY?: boolean | undefined }): Colors {
  return createColors(stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb');
}
