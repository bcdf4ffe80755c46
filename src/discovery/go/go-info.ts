import type { GoInfo, SymbolTable } from '../../contract/binary.ts';
import type { ElfImage } from '../elf/image.ts';
import type { RelativeRelocations } from '../elf/relocations.ts';
import { readGoBuildInfo } from './build-info.ts';
import { goFunctions } from './functions.ts';
import { findModuleData } from './moduledata.ts';
import { noPclntab, pclntabCandidates } from './pclntab.ts';
import { goTypes } from './types.ts';

export interface GoProgram {
  readonly info: GoInfo;
  readonly functions: SymbolTable;
}

const goSections = ['.go.buildinfo', '.gopclntab', '.data.rel.ro.gopclntab', '.note.go.buildid'];

/**
 * Reads a Go program. Undefined for any other file. A section, a Go build id or build info shows that a file is Go. Only then is a missing
 * table an error (E_GO_PCLNTAB, E_GO_MODULEDATA). It searches the whole file only if the file has no section headers.
 */
export function readGoProgram(
  image: ElfImage,
  relocations: RelativeRelocations,
  goBuildId: string | undefined,
): GoProgram | undefined {
  const sectionless = image.sections.length === 0;
  const named = goBuildId !== undefined || image.sections.some((section) => goSections.includes(section.name));
  if (!named && !sectionless) return undefined;
  const build = readGoBuildInfo(image, sectionless);
  const saysGo = named || build !== undefined;
  const module = findModuleData(image, relocations, pclntabCandidates(image), saysGo);
  if (!module) {
    if (saysGo) throw noPclntab(image);
    return undefined;
  }
  const types = goTypes(image, relocations, module);
  return {
    functions: goFunctions(image, relocations, module),
    info: {
      version: build?.version ?? '',
      path: build?.path ?? '',
      main: build?.main,
      modules: build?.modules ?? new Map(),
      settings: build?.settings ?? new Map(),
      types,
    },
  };
}
