import { loadNative } from '../../native.ts';

/**
 * Gives memory back that start-up needed and a running agent does not: freed blocks of the C heap, and the pages of Node.js and its
 * libraries. Start-up uses most of Node.js (compilers, parsers, its snapshot), and the kernel counts each of those pages as resident until
 * memory is short. What the agent still uses comes back with minor faults, some milliseconds in all.
 */
export function releaseMemory(): void {
  loadNative().releaseMemory();
}
