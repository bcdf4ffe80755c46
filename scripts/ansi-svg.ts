/** Terminal output as a picture: text with the SGR escapes that picocolors writes (bold, dim, the eight colours), as SVG. */

interface Style {
  readonly bold: boolean;
  readonly dim: boolean;
  readonly colour: string | undefined;
}

interface Run extends Style {
  readonly column: number;
  readonly text: string;
}

const plain: Style = { bold: false, dim: false, colour: undefined };
/** SGR 30 to 37. */
const palette = ['#6e7681', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#f0f6fc'];
const background = '#0d1117';
const foreground = '#e6edf3';
const faint = '#8b949e';

const fontPx = 14;
const columnPx = 8.4;
const linePx = 20;
const marginPx = 16;

/** @param lines one for each terminal line, without line ends */
export function ansiToSvg(lines: readonly string[], title: string): string {
  const runs = lines.map(parseLine);
  const columns = Math.max(...runs.flat().map(({ column, text }) => column + [...text].length));
  const width = Math.ceil(columns * columnPx + 2 * marginPx);
  const height = lines.length * linePx + 2 * marginPx;
  const rows = runs.flatMap((line, row) => line.map((run) => textElement(run, marginPx + row * linePx + fontPx)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" rx="8" fill="${background}"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="${fontPx}" fill="${foreground}" xml:space="preserve">
${rows.join('\n')}
</g>
</svg>
`;
}

/** Pieces of one style each. Blank ones are left out. */
function parseLine(line: string): Run[] {
  const runs: Run[] = [];
  let style = plain;
  let column = 0;
  for (const piece of line.split(/(\x1b\[[0-9;]*m)/)) {
    const codes = /^\x1b\[([0-9;]*)m$/.exec(piece)?.[1];
    if (codes !== undefined) {
      for (const code of codes.split(';')) style = styled(style, Number(code));
      continue;
    }
    if (piece.trim() !== '') runs.push({ ...style, column, text: piece });
    column += [...piece].length;
  }
  return runs;
}

function styled(style: Style, code: number): Style {
  if (code === 0) return plain;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code >= 30 && code <= 37) return { ...style, colour: palette[code - 30] };
  return code === 39 ? { ...style, colour: undefined } : style;
}

/** `textLength` keeps the columns straight in any font of the viewer. */
function textElement({ bold, dim, colour, column, text }: Run, y: number): string {
  const lead = text.length - text.trimStart().length;
  const shown = text.trim();
  const x = (marginPx + (column + lead) * columnPx).toFixed(1);
  const fill = colour ?? (dim ? faint : undefined);
  const attributes = [
    `x="${x}" y="${y}" textLength="${([...shown].length * columnPx).toFixed(1)}"`,
    fill && `fill="${fill}"`,
    bold && 'font-weight="bold"',
  ].filter(Boolean);
  return `<text ${attributes.join(' ')}>${escapeXml(shown)}</text>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
