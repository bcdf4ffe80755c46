/** A shorter text is no secret, and may be a part of any word. */
const leastLength = 6;

/**
 * Removes from texts of a collector what was sent to it as the value of a header. Some repeat a key that they do not know.
 * @param values of all headers
 */
export function withoutSecrets(values: readonly string[]): (text: string) => string {
  // `Bearer KEY` also comes back as KEY.
  const secrets = values
    .flatMap((value) => [value, ...value.split(/[\s,;=:]+/)])
    .filter((secret) => secret.length >= leastLength)
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((left, secret) => left.replaceAll(secret, '…'), text);
}
