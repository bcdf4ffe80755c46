import { randomBytes } from 'node:crypto';
import { printable } from './printable.ts';

/** What stands for the start of a colour until it is printed. It is another one in each run, so that no text of a stranger has it. */
const mark = `\ue000${randomBytes(8).toString('hex')}`;
const sequenceStart = '\x1b[';

/** A sequence that sets a colour, to be put into a line. */
export function colourMark(sequence: string): string {
  return sequence.replaceAll(sequenceStart, mark);
}

/** One line as it is printed: colours by colourMark() are set, and everything else that could drive a terminal is shown as `\xNN`. */
export function terminalLine(text: string): string {
  return printable(text, Number.POSITIVE_INFINITY).replaceAll(mark, sequenceStart);
}
