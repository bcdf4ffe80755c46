import type { AttachDecision } from './attachment.ts';

/** Whether a link for the whole file would make the kernel miscount a semaphore: see src/discovery/usdt/semaphore.ts. */
export function needsLinkPerProcess({ sites }: Pick<AttachDecision, 'sites'>): boolean {
  return sites.some(({ refCtrAddress }) => refCtrAddress !== undefined);
}
