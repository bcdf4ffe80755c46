/**
 * `text` with every control character as `\xNN`, cut to `maxLength`. Names, paths and attributes come from other people. Printed unchanged,
 * they could move the cursor, retitle the terminal, or look like another line.
 */
export function printable(text: string, maxLength = 200): string {
  let out = '';
  for (const char of text) {
    if (out.length >= maxLength) return `${out.slice(0, maxLength - 1)}…`;
    const code = char.codePointAt(0)!;
    out += drives(code) ? `\\x${code.toString(16).padStart(2, '0')}` : char;
  }
  return out;
}

/** A value as JSON that a terminal can show: what drives it, and JSON leaves alone, is escaped as JSON does. */
export function printableJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replaceAll(beyondJson, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** What `drives` finds, without what JSON escapes by itself. */
const beyondJson = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function drives(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || reorders(code);
}

/** Characters that reorder or break the rest of the line (Unicode Bidirectional Algorithm, explicit and implicit formatting; separators). */
function reorders(code: number): boolean {
  return (
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    code === 0x061c ||
    code === 0x200e ||
    code === 0x200f
  );
}
