/** A service without tracing should still forward the W3C headers, so that the traces of others do not break here. */
export function traceHeaders({ headers }) {
  const names = ['traceparent', 'tracestate'].filter((name) => headers[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}

const wellFormed = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** The same for a database: a comment behind the statement, as sqlcommenter writes it. Nothing but a proper traceparent gets into one. */
export function traceComment({ traceparent }) {
  return wellFormed.test(traceparent) ? ` /*traceparent='${traceparent}'*/` : '';
}
