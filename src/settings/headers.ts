import type { ConfigNode } from './config-node.ts';
import type { Value } from './value.ts';

export type Headers = Readonly<Record<string, string>>;

/** RFC 9110 §5.6.2, a token. */
const token = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;
/** What both HTTP and the metadata of gRPC can carry. */
const printableAscii = /^[\x20-\x7e]*$/;
/** They say how a message is framed (RFC 9110 §7.6.1, RFC 9112 §6), which its sender decides. */
const framing = /^(connection|content-(encoding|length|type)|expect|keep-alive|te|trailer|transfer-encoding|upgrade)$/i;

/** Percent-encoded, as in OTEL_EXPORTER_OTLP_HEADERS (OTLP exporter configuration, "Specifying headers via environment variables"). */
export const headerList: Value<Headers> = {
  allowed:
    'a list like key=value,key=value, with names that HTTP allows, and values percent-encoded and of printable ASCII',
  isSecret: () => true,
  parse: (given) => {
    const pairs = given.split(',').map((pair) => /^([^=]+)=(.*)$/s.exec(pair.trim()));
    if (pairs.includes(null)) return undefined;
    try {
      const headers = pairs.map((pair) => [decoded(pair![1]!), decoded(pair![2]!)] as const);
      return headers.every(([name, value]) => isName(name) && printableAscii.test(value))
        ? Object.fromEntries(headers)
        : undefined;
    } catch {
      return undefined;
    }
  },
};

/** A mapping of the settings file. Its errors show no value. */
export function readHeaders(node: ConfigNode): Headers {
  return Object.fromEntries(
    node.entries().map(([name, each]) => {
      if (!isName(name)) return each.refuse('is no header that a user can set');
      const value = each.scalar();
      return printableAscii.test(value) ? [name, value] : each.refuse('must have a value of printable ASCII');
    }),
  );
}

function isName(name: string): boolean {
  return token.test(name) && !framing.test(name);
}

function decoded(text: string): string {
  return decodeURIComponent(text.trim());
}
