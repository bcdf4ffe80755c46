import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const line = /^([0-9a-f]+)-([0-9a-f]+) r-x. ([0-9a-f]+) \S+ \d+ +(\/.*)$/;

/** Offsets in the file of the bytes of a process's code that are not as in the file: breakpoints. */
export function textDifferences(pid: number, path: string): number[] {
  const file = readFileSync(path);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const differences: number[] = [];
    let mappings = 0;
    for (const text of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const match = line.exec(text);
      if (match?.[4] !== path) continue;
      mappings++;
      const [start, end, offset] = [match[1]!, match[2]!, match[3]!].map((digits) => Number.parseInt(digits, 16));
      const bytes = Buffer.alloc(Math.min(end! - start!, file.length - offset!));
      readSync(memory, bytes, 0, bytes.length, start!);
      for (const [at, byte] of bytes.entries()) if (byte !== file[offset! + at]) differences.push(offset! + at);
    }
    if (mappings === 0) throw new Error(`${path} is not in process ${pid}`);
    return differences;
  } finally {
    closeSync(memory);
  }
}
