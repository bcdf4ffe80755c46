/**
 * An endpoint for messages: scheme, host and path. User, password and query are left out, because they may be secret.
 * @param endpoint a URL, or `unix:PATH`
 */
export function shownEndpoint(endpoint: string): string {
  if (endpoint.startsWith('unix:')) return endpoint;
  const { protocol, host, pathname } = new URL(endpoint);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
