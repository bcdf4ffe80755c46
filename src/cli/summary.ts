import type { Report } from '../report.ts';
import { coloursOf } from './colours.ts';
import { plainFunction } from './plain-function.ts';

const colours = coloursOf(process.stderr);

/** What a run comes to: spans, probes that were hit with their site class, losses. */
export function summary(report: Report): string {
  const spans = Object.entries(report.spans)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  const hit = report.probes.filter(({ hits }) => hits > 0);
  const rows = hit.map((probe) => [
    probe.moment,
    probe.class,
    String(probe.hits),
    `${plainFunction(probe.function)}  ${colours.dim(probe.site.replace(/^0x[0-9a-f]+: /, ''))}`,
  ]);
  const idle = report.probes.length - hit.length;
  const lost = report.lost.filter(({ count }) => count > 0);
  return [
    `${colours.bold('spans')}    ${spans.join(', ') || 'none'}`,
    `${colours.bold('probes')}   ${table([['moment', 'class', 'hits', 'function'], ...rows])}`,
    ...(idle > 0 ? [colours.dim(`         and ${idle} that nothing came to`)] : []),
    `${colours.bold('lost')}     ${lost.length === 0 ? 'nothing' : lost.map(({ stage, reason, count }) => `${count} ${stage}/${reason}`).join(', ')}`,
  ].join('\n');
}

/** Columns of equal width, the third right-aligned; lines after the first are indented as far as the headings. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row.map((cell, c) => (c === 2 ? cell.padStart(widths[2]!) : c < 2 ? cell.padEnd(widths[c]!) : cell)).join('  '),
    )
    .join('\n         ');
}
