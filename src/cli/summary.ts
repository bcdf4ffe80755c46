import type { Report } from '../report.ts';
import { coloursOf } from '../settings/colours.ts';
import { plainFunction } from './plain-function.ts';
import { stderr } from './stderr.ts';

const colours = coloursOf(stderr);

/** The result of a run, in lines: spans, probes that were hit, with their site class, and losses. */
export function summary(report: Report): string[] {
  const spans = Object.entries(report.spans)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  const hit = report.probes.filter(({ hits }) => hits > 0);
  const rows = hit.map((probe, i) => {
    const before = hit[i - 1];
    const sameLibrary = probe.definition === before?.definition && probe.binary === before.binary;
    // Hits are those of a moment, at any of its sites.
    const sameMoment = sameLibrary && probe.moment === before.moment;
    return [
      sameLibrary ? '' : probe.definition,
      sameMoment ? '' : probe.moment,
      probe.class,
      sameMoment ? '' : String(probe.hits),
      `${plainFunction(probe.function)}  ${colours.dim(probe.site.replace(/^0x[0-9a-f]+: /, ''))}`,
    ];
  });
  const idle = report.probes.length - hit.length;
  const lost = report.lost.filter(({ count }) => count > 0);
  return [
    `${colours.bold('spans')}    ${spans.join(', ') || 'none'}`,
    ...table([['definition', 'moment', 'class', 'hits', 'function'], ...rows]).map(
      (line, i) => `${i === 0 ? colours.bold('probes') : '      '}   ${line}`,
    ),
    ...(idle > 0 ? [colours.dim(`         and ${idle} that nothing came to`)] : []),
    `${colours.bold('lost')}     ${lost.length === 0 ? 'nothing' : lost.map(({ stage, reason, count }) => `${count} ${stage}/${reason}`).join(', ')}`,
  ];
}

/** Columns of equal width, with the one before the last right-aligned. */
function table(rows: readonly (readonly string[])[]): string[] {
  const last = rows[0]!.length - 1;
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const aligned = (cell: string, column: number) =>
    column === last ? cell : column === last - 1 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return rows.map((row) => row.map(aligned).join('  '));
}
