import { createColors } from 'picocolors';
import type { Colors } from 'picocolors/types.js';
import { colourMark } from '../contract/terminal-line.ts';

/**
 * Colours of a stream: on a terminal that has any, unless NO_COLOR is set. picocolors' own guess also colours pipes if CI is set. They take
 * effect in lines that terminalLine() prints.
 */
export function coloursOf(stream: { readonly isTTY?: boolean | undefined }): Colors {
  const colours = createColors(stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb');
  const marked = Object.entries(colours).map(([name, value]) => [
    name,
    typeof value === 'function' ? markedColour(value) : value,
  ]);
  return Object.fromEntries(marked) as Colors;
}

function markedColour(colour: (text: string) => string): (text: string) => string {
  const [before, after] = colour('|').split('|').map(colourMark);
  return (text) => `${before}${text}${after}`;
}
