/** Libraries with which Go programs make spans themselves. */
import type { Instrumentation } from '../../../contract/decision.ts';

const contrib = 'go.opentelemetry.io/contrib/instrumentation';
/** Too large to be inlined, and nothing but a running SDK needs it, so the linker leaves it out of programs that have none. */
const otelSdk = 'go.opentelemetry.io/otel/sdk/trace.NewTracerProvider';

/** One for OpenTelemetry. With `functions`, only what needs these counts. */
export function otel(module: string, functions?: readonly string[]): Instrumentation {
  return {
    module,
    sdk: otelSdk,
    isOtel: true,
    ...(functions ? { functions: functions.map((each) => `${module}.${each}`) } : {}),
  };
}

/** The same, below OpenTelemetry's contrib repository. */
export function otelContrib(path: string, functions?: readonly string[]): Instrumentation {
  return otel(`${contrib}/${path}`, functions);
}

/** One for Datadog's tracer, which a program starts itself. */
export function datadog(path: string): Instrumentation {
  return {
    module: `github.com/DataDog/dd-trace-go/contrib/${path}/v2`,
    sdk: 'github.com/DataDog/dd-trace-go/v2/ddtrace/tracer.Start',
    isOtel: false,
  };
}
