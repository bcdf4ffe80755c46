import { oneOf, parseValue, ratio } from './value.ts';

/** How traces are chosen: one of OpenTelemetry's standard samplers, as plain data. */
export interface SamplerSettings {
  readonly kind: 'always_on' | 'always_off' | 'traceidratio';
  /** The decision of a remote parent, where there is one, goes before `kind`. */
  readonly parentBased: boolean;
  /** Share of traces taken, 0 to 1: what `kind` comes to. */
  readonly ratio: number;
}

const prefix = 'parentbased_';
const kinds = ['always_on', 'always_off', 'traceidratio'] as const;
const names = [...kinds, ...kinds.map((kind) => `${prefix}${kind}` as const)] as const;

/**
 * Reads OTEL_TRACES_SAMPLER (default parentbased_always_on) and OTEL_TRACES_SAMPLER_ARG (default 1), by the OpenTelemetry specification,
 * "SDK environment variables"; an empty variable is an unset one. The argument counts for the ratio samplers only.
 * @throws UspanError E_USAGE on a sampler uspan has not, such as jaeger_remote, or a ratio that is none
 */
export function samplerFromEnvironment(env: Readonly<Record<string, string | undefined>>): SamplerSettings {
  const name = parseValue(
    'OTEL_TRACES_SAMPLER',
    oneOf(names),
    env.OTEL_TRACES_SAMPLER?.trim() || 'parentbased_always_on',
  );
  const parentBased = name.startsWith(prefix);
  const kind = kinds.find((each) => name.endsWith(each))!;
  return { kind, parentBased, ratio: shareOf(kind, env.OTEL_TRACES_SAMPLER_ARG?.trim() || '1') };
}

function shareOf(kind: SamplerSettings['kind'], argument: string): number {
  if (kind === 'traceidratio') return parseValue('OTEL_TRACES_SAMPLER_ARG', ratio, argument);
  return kind === 'always_on' ? 1 : 0;
}
