/** Longer than any real one. Text from a traced process must not make every export larger without bound. */
const maxChars = 16 * 1024;
const maxKeyBytes = 127;

export interface ResourceAttributes {
  readonly attributes: Readonly<Record<string, string>>;
  /** What is wrong with each member that is not in `attributes`, without its value, which may be a secret. */
  readonly faults: readonly string[];
}

/**
 * Reads OTEL_RESOURCE_ATTRIBUTES: `key=value,key2=value2`, percent-encoded (OpenTelemetry, Resource SDK). A malformed member is left out
 * alone. The specification would discard all of them, with the service's name.
 */
export function parseResourceAttributes(text: string | undefined): ResourceAttributes {
  if (!text) return { attributes: {}, faults: [] };
  if (text.length > maxChars) return { attributes: {}, faults: [`longer than ${maxChars} characters`] };
  const attributes = new Map<string, string>();
  const faults: string[] = [];
  for (const [index, member] of text.split(',').entries()) {
    if (member.trim() === '') continue;
    const equals = member.indexOf('=');
    const key = decode(member.slice(0, Math.max(equals, 0)));
    const value = decode(member.slice(equals + 1));
    const fault =
      equals < 0
        ? 'has no ='
        : !key
          ? 'has no valid key'
          : Buffer.byteLength(key) > maxKeyBytes
            ? `has a key of more than ${maxKeyBytes} bytes`
            : value === undefined
              ? `(${key}) is not percent-encoded UTF-8`
              : undefined;
    if (fault === undefined) attributes.set(key!, value!);
    else faults.push(`member ${index + 1} ${fault}`);
  }
  return { attributes: Object.fromEntries(attributes), faults };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return undefined;
  }
}
