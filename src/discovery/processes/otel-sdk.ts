const sdk = 'go.opentelemetry.io/otel/sdk';
const instrumentation = 'go.opentelemetry.io/contrib/instrumentation/';

/**
 * Whether a Go program traces itself: it contains the OpenTelemetry SDK, and instrumentation of a library, e.g. otelhttp. The SDK alone is
 * not enough, because many libraries bring it along without tracing anything.
 * @param modules module path to version, from the program's build info
 */
export function usesOtelSdk(modules: ReadonlyMap<string, string>): boolean {
  return modules.has(sdk) && otelInstrumentations(modules).length > 0;
}

/** The libraries that are instrumented in a Go program, as named below the contrib repository: `net/http/otelhttp`, … */
export function otelInstrumentations(modules: ReadonlyMap<string, string>): string[] {
  return [...modules.keys()]
    .filter((path) => path.startsWith(instrumentation))
    .map((path) => path.slice(instrumentation.length))
    .sort();
}
