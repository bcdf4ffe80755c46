import { bufferOf } from './bytes.ts';
import type { ElfImage } from './image.ts';
import { elfNotes } from './notes.ts';

export interface BuildIds {
  /** NT_GNU_BUILD_ID in hexadecimal, as `readelf -n` prints it. */
  readonly gnu: string | undefined;
  /** As `go tool buildid` prints it. */
  readonly go: string | undefined;
}

const NT_GNU_BUILD_ID = 3;
/** ELF_NOTE_GOBUILDID_TAG of cmd/link. */
const goBuildIdType = 4;
const maxBytes = 256;

/** GNU and Go build id. Empty ones (`-buildid=`) count as absent. */
export function readBuildIds(image: ElfImage): BuildIds {
  let gnu: string | undefined;
  let go: string | undefined;
  for (const { name, type, desc } of elfNotes(image)) {
    if (desc.length === 0 || desc.length > maxBytes) continue;
    if (name === 'GNU' && type === NT_GNU_BUILD_ID) gnu ??= bufferOf(desc).toString('hex');
    if (name === 'Go' && type === goBuildIdType) go ??= bufferOf(desc).toString('latin1');
    if (gnu && go) break;
  }
  return { gnu, go };
}
