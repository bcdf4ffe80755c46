/**
 * Keys of a query whose values are secrets, unless a setting names others: those of OpenTelemetry's HTTP semantic conventions (`url.query`),
 * and what logins, keys and signed URLs are usually called. A `*` at the end stands for anything.
 */
export const usualSecretKeys: readonly string[] = [
  ...[
    'access_token',
    'refresh_token',
    'id_token',
    'auth_token',
    'token',
    'jwt',
    'code',
    'session',
    'auth',
    'authorization',
  ],
  ...['password', 'passwd', 'pwd', 'secret', 'client_secret'],
  ...['api_key', 'api-key', 'apikey', 'access_key', 'key', 'AWSAccessKeyId', 'X-Amz-*', 'X-Goog-*', 'signature', 'sig'],
];
