import type { Binary, UsdtNote } from '../../contract/binary.ts';
import type { SiteClass } from '../../contract/decision.ts';
import { isaOf } from '../../discovery/isa/isa-of.ts';
import { notesOf, specOf } from './argument-specs.ts';
import type { UnnamedSite } from './places.ts';

/** What is at a note's address. sdt.h puts a `nop` there. */
export type NoteInstruction =
  | { readonly usable: true; readonly class: SiteClass; readonly instruction: string }
  | { readonly usable: false; readonly instruction: string; readonly why: string };

/** Like `Located`, of locate.ts. */
type LocatedNotes =
  | { readonly found: true; readonly sites: readonly UnnamedSite[] }
  | { readonly found: false; readonly reason: 'symbol_missing' | 'no_cheap_site'; readonly detail: string };

/**
 * Looks at the instruction of a USDT site. The site is the note's own address, and never a 5-byte nop: from Linux 6.18 on, the kernel makes
 * that a call, which pushes a return address over what the function keeps in the red zone below its stack pointer.
 */
export function noteInstruction(binary: Binary, note: UsdtNote): NoteInstruction {
  const { address, fileOffset } = note;
  const isa = isaOf(binary.machine);
  const code = binary.code({ name: note.name, address, fileOffset, sizeBytes: 0 }, isa.maxInstructionBytes);
  const site = isa.noteSite(code, address);
  if (!site) return { usable: false, instruction: '?', why: 'there is no instruction' };
  const { class: handling, text: instruction } = site;
  if (handling === 'refused') return { usable: false, instruction, why: 'the kernel takes no probe there' };
  if (site.overwritesRedZone) {
    return { usable: false, instruction, why: 'a probe on a 5-byte nop can overwrite the red zone of the stack' };
  }
  return { usable: true, class: handling, instruction };
}

/** The sites of a USDT probe: all of its notes, except those where no probe is allowed. */
export function locateNotes(binary: Binary, probe: { readonly provider: string; readonly name: string }): LocatedNotes {
  const { provider, name } = probe;
  const notes = notesOf(binary, probe);
  if (notes.length === 0) {
    return { found: false, reason: 'symbol_missing', detail: `${provider}:${name} is not among its USDT probes` };
  }
  const looked = notes.map((note) => ({ note, at: noteInstruction(binary, note) }));
  const sites = looked.flatMap(({ note, at }): UnnamedSite[] => {
    if (!at.usable) return [];
    const { address, fileOffset, semaphore } = note;
    return [
      {
        function: `${provider}:${name}`,
        address,
        fileOffset,
        class: at.class,
        instruction: at.instruction,
        why: `USDT site ${note.argumentText === '' ? 'without arguments' : `with ${note.argumentText}`}`,
        spec: specOf(binary, note),
        refCtrOffset: semaphore?.fileOffset ?? 0,
        ...(semaphore?.startsMiscounted ? { refCtrAddress: semaphore.address } : {}),
      },
    ];
  });
  if (sites.length > 0) return { found: true, sites };
  const refused = looked.find(({ at }) => !at.usable)!.at as Extract<NoteInstruction, { usable: false }>;
  return {
    found: false,
    reason: 'no_cheap_site',
    detail: `${provider}:${name}: ${refused.instruction}: ${refused.why}`,
  };
}
