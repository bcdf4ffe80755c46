import type { UsdtArgument, UsdtLocation } from '../contract/binary.ts';
import { type UsdtListing, usdtOfFile, usdtOfProcess } from '../probes/attach/usdt-listing.ts';
import { coloursOf } from '../settings/colours.ts';
import { exitCodes } from './exit-codes.ts';
import type { UsdtOptions } from './flags.ts';
import { stdout } from './stdout.ts';

const colours = coloursOf(stdout);

/** `uspan usdt`: the USDT probes of a file, or of a process's executable and libraries. */
export function usdt({ target, json }: UsdtOptions): number {
  const listings = /^\d+$/.test(target) ? usdtOfProcess(Number(target)) : [usdtOfFile(target)];
  const found = listings.filter(({ sites, malformed, error }) => sites.length > 0 || malformed > 0 || error);
  const sites = listings.reduce((sum, listing) => sum + listing.sites.length, 0);
  if (json) stdout.printJson(found.map(asJson));
  else {
    const total = `${sites} USDT sites in ${listings.length} ${listings.length === 1 ? 'file' : 'files'}`;
    stdout.printLines([...found.flatMap(describe), total]);
  }
  return sites > 0 ? exitCodes.ok : exitCodes.noTarget;
}

function describe({ path, sites, malformed, error }: UsdtListing): string[] {
  const names = new Set(sites.map(({ note }) => `${note.provider}:${note.name}`));
  const width = Math.max(...[...names].map((name) => name.length), 0);
  const count = error ?? `${names.size} probes, ${sites.length} sites`;
  const broken = malformed > 0 ? `, ${malformed} malformed ${malformed === 1 ? 'note' : 'notes'} left out` : '';
  return [
    `${colours.bold(path)}  ${colours.dim(`${count}${broken}`)}`,
    ...sites.map(({ note, at }) => {
      const name = `${note.provider}:${note.name}`.padEnd(width);
      const where = at.usable ? at.class : colours.red(`${at.instruction}: ${at.why}`);
      const semaphore = note.semaphore ? 'semaphore' : '         ';
      const values = note.arguments.map((argument, index) => `arg${index}=${argumentText(argument)}`);
      return `  ${name}  ${hex(note.address)}  ${where}  ${semaphore}  ${values.join(' ')}`.trimEnd();
    }),
  ];
}

/** `i32 *(rbp-8)`. */
function argumentText(argument: UsdtArgument): string {
  return argument.readable
    ? `${typeOf(argument)} ${locationText(argument.location)}`
    : `${colours.yellow('unreadable')} (${argument.text}: ${argument.why})`;
}

function typeOf({ bytes, kind }: Extract<UsdtArgument, { readable: true }>): string {
  return `${{ signed: 'i', unsigned: 'u', float: 'f' }[kind]}${bytes * 8}`;
}

function locationText(location: UsdtLocation): string {
  if (location.in === 'constant') return String(location.value);
  if (location.in === 'register') return location.register + (location.shiftBits ? `>>${location.shiftBits}` : '');
  const { base, index, scaleBits, offset } = location;
  const scaled = index && index + (scaleBits ? `*${1 << scaleBits}` : '');
  const registers = [base, scaled].filter((part) => part !== undefined).join('+');
  return `*(${registers}${offset < 0 ? '-' : '+'}${Math.abs(offset)})`.replace(/[+]0\)$/, ')');
}

function asJson({ path, sites, malformed, error }: UsdtListing) {
  return {
    file: path,
    error,
    malformedNotes: malformed,
    sites: sites.map(({ note, at }) => ({
      provider: note.provider,
      name: note.name,
      address: hex(note.address),
      fileOffset: note.fileOffset,
      semaphore: note.semaphore && hex(note.semaphore.address),
      class: at.usable ? at.class : null,
      instruction: at.instruction,
      refused: at.usable ? undefined : at.why,
      argumentText: note.argumentText,
      arguments: note.arguments.map((argument) =>
        argument.readable
          ? { text: argument.text, type: typeOf(argument), value: locationText(argument.location) }
          : { text: argument.text, type: null, value: null, why: argument.why },
      ),
    })),
  };
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
