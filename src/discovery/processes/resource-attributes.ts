/** Longer than any real one. Text from a traced process must not make every export larger without bound. */
const maxChars = 16 * 1024;
const maxKeyBytes = 127;

/**
 * Parses OTEL_RESOURCE_ATTRIBUTES: `key=value,key2=value2`, percent-encoded (OpenTelemetry, Resource SDK). As the specification says, one
 * malformed pair makes the whole text void. Keys longer than 127 bytes are left out.
 */
export function parseResourceAttributes(text: string | undefined): Readonly<Record<string, string>> {
  if (!text || text.length > maxChars) return {};
  const attributes = new Map<string, string>();
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const equals = pair.indexOf('=');
    const key = decode(pair.slice(0, equals));
    const value = decode(pair.slice(equals + 1));
    if (equals < 0 || !key || value === undefined) return {};
    if (Buffer.byteLength(key) <= maxKeyBytes) attributes.set(key, value);
  }
  return Object.fromEntries(attributes);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return undefined;
  }
}
