/**
 * `text` with every control character as `\xNN`, cut to `maxLength`. Names and attributes come from other people's requests. Printed
 * unchanged, they could move the cursor or retitle the terminal.
 */
export function printable(text: string, maxLength = 200): string {
  let out = '';
  for (const char of text) {
    if (out.length >= maxLength) return `${out.slice(0, maxLength - 1)}…`;
    const code = char.codePointAt(0)!;
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0) || isBidiControl(code);
    out += control ? `\\x${code.toString(16).padStart(2, '0')}` : char;
  }
  return out;
}

/** Characters that reorder the rest of the line (Unicode Bidirectional Algorithm, explicit formatting). */
function isBidiControl(code: number): boolean {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code === 0x2028 || code === 0x2029;
}
