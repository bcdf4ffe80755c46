/** A service without tracing should still pass the W3C headers on, so that the traces of others do not break here. */
export function traceHeaders({ headers }) {
  const names = ['traceparent', 'tracestate'].filter((name) => headers[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}
