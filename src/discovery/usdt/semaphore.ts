import type { UsdtSemaphore } from '../../contract/binary.ts';
import type { Segment } from '../elf/container.ts';
import type { ElfImage } from '../elf/image.ts';

/** The largest page of the kernels for a machine. Smaller pages are shared less often. */
const pageBytes = { x64: 4096, arm64: 65_536 } as const;

/**
 * The semaphore at a note's address, or `elsewhere` if the kernel cannot count there. Undefined if the note has none.
 *
 * The kernel knows a semaphore by its offset in the file (ref_ctr_offset). For each breakpoint, it counts up in the first private writable
 * mapping of the file with that offset, or in the next such mapping that the process makes (kernel/events/uprobes.c, find_ref_ctr_vma and
 * delayed_ref_ctr_inc). That is right for files of GNU ld and gold. lld and mold let neighbouring segments share a page of the file, and
 * then two things go wrong in a process that starts while a probe is there:
 *
 * - What is read-only after relocation (RELRO) has a segment of its own, right before .data. Both mappings have the page where the two meet,
 *   and both are writable at first. The kernel counts up in that of RELRO, where no code looks. Later, it counts down in that of .data.
 * - The page where .rodata and the code meet is mapped twice, too. A site there gets a breakpoint in both mappings, but until there is a
 *   writable mapping, the kernel only remembers to count up once (delayed_uprobe_add).
 *
 * The program then never comes to the site, or the count would become negative when the probe goes. Then the kernel leaves the breakpoint
 * where it is for ever ("ref_ctr going negative", "leaking uprobe"). Once the loader has protected RELRO, the kernel counts right.
 */
export function readSemaphore(
  image: ElfImage,
  note: { readonly semaphore: number; readonly siteOffset: number },
): UsdtSemaphore | 'elsewhere' | undefined {
  const { semaphore: address, siteOffset } = note;
  if (address === 0) return undefined;
  const load = image.loads.find((each) => address >= each.address && address + 2 <= each.address + each.fileBytes);
  // A site with a counter that cannot be set is never reached.
  if (!load?.writable || load.executable) return 'elsewhere';
  const fileOffset = load.offset + address - load.address;
  const sharing = (offset: number, writable: boolean) =>
    image.loads.filter((each) => each.writable === writable && hasPage(each, offset, pageBytes[image.machine])).length;
  return { address, fileOffset, startsMiscounted: sharing(fileOffset, true) > 1 || sharing(siteOffset, false) > 1 };
}

/** Whether the mapping of a segment has the page of a file offset. */
function hasPage({ offset, fileBytes }: Segment, fileOffset: number, page: number): boolean {
  const pageOf = (each: number) => Math.floor(each / page);
  return fileBytes > 0 && pageOf(offset) <= pageOf(fileOffset) && pageOf(fileOffset) <= pageOf(offset + fileBytes - 1);
}
