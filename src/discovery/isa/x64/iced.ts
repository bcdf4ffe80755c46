import { createRequire } from 'node:module';

export type Iced = typeof import('iced-x86');

const require = createRequire(import.meta.url);
let loaded: Iced | undefined;

/**
 * The disassembler, loaded when the first instruction has to be decoded. It takes 40 ms and 30 MB, which a thread can save that only reads
 * USDT notes, or leaves files to another thread.
 */
export function iced(): Iced {
  loaded ??= require('iced-x86') as Iced;
  return loaded;
}
