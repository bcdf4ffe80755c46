/** The one rule for when to colour, for commands that have nothing else to do with spans. */
export { coloursOf } from '../otel/colours.ts';
