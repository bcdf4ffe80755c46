import type { Binary, Machine, UsdtArgument, UsdtNote } from '../../contract/binary.ts';
import type { MapEntry, Point } from '../../contract/decision.ts';
import { isaOf } from '../../discovery/isa/isa-of.ts';
import { Constant, UsdtArgument as Layout, UsdtLocation, UsdtSpec } from '../layout.gen.ts';

/**
 * The number of a note's argument specification among those of its file: the index of the first note with the same one. Sites of a probe
 * with the same arguments share one.
 */
export function specOf(binary: Binary, note: UsdtNote): number {
  const key = specKey(note);
  return binary.notes.findIndex((other) => specKey(other) === key);
}

/** Variables of the file are given by their distance to the site. */
function specKey({ argumentText, address, arguments: all }: UsdtNote): string {
  const relative = all.some((each) => each.readable && each.location.in === 'memory' && each.location.base === 'site');
  return relative ? `${argumentText}\0${address}` : argumentText;
}

/**
 * What the programs need in `usdt_specs` (bpf/usdt/arguments.h) to read the arguments of a definition's notes. It becomes
 * Constants.entries.
 */
export function specEntries(binary: Binary, points: readonly Point[]): MapEntry[] {
  const wanted = new Map<number, UsdtNote>();
  for (const { place } of points) {
    if (place.at !== 'note') continue;
    for (const note of notesOf(binary, place)) {
      const spec = specOf(binary, note);
      if (!wanted.has(spec)) wanted.set(spec, note);
    }
  }
  return [...wanted].map(([spec, note]) => ({
    map: 'usdt_specs',
    spec,
    value: encodeSpec(note.arguments, binary.machine),
  }));
}

/** The sites of a USDT probe. */
export function notesOf(binary: Binary, probe: { readonly provider: string; readonly name: string }): UsdtNote[] {
  return binary.notes.filter(({ provider, name }) => provider === probe.provider && name === probe.name);
}

/** `struct uspan_usdt_spec`. An unreadable argument stays zero, which means so. */
export function encodeSpec(all: readonly UsdtArgument[], machine: Machine): Uint8Array {
  const bytes = new Uint8Array(UsdtSpec.size);
  const view = new DataView(bytes.buffer);
  all.slice(0, Constant.USDT_ARGUMENTS).forEach((argument, index) => {
    if (argument.readable) encodeArgument(view, index * Layout.size, argument, isaOf(machine).registers);
  });
  return bytes;
}

function encodeArgument(
  view: DataView,
  at: number,
  { bytes, kind, location }: Extract<UsdtArgument, { readable: true }>,
  names: readonly string[],
): void {
  const number = (name: string | undefined) => {
    if (name === undefined) return Constant.USDT_NO_REGISTER;
    return name === 'site' ? Constant.USDT_SITE : names.indexOf(name);
  };
  const put = (field: Exclude<keyof typeof Layout, 'size' | 'value'>, value: number) =>
    view.setUint8(at + Layout[field], value);
  put('bytes', bytes);
  put('isSigned', kind === 'signed' ? 1 : 0);
  switch (location.in) {
    case 'constant':
      put('location', UsdtLocation.CONSTANT);
      view.setBigUint64(at + Layout.value, BigInt.asUintN(64, location.value), true);
      break;
    case 'register':
      put('location', UsdtLocation.REGISTER);
      put('base', number(location.register));
      put('shiftBits', location.shiftBits);
      break;
    case 'memory':
      put('location', UsdtLocation.MEMORY);
      put('base', number(location.base));
      put('index', number(location.index));
      put('scaleBits', location.scaleBits);
      view.setBigInt64(at + Layout.value, BigInt(location.offset), true);
  }
}
