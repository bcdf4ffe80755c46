import type { Settings } from './table.ts';
import { plainText, ratio, type Value } from './value.ts';

/** How to choose traces: one of OpenTelemetry's standard samplers, as plain data. */
export interface SamplerSettings {
  readonly kind: 'always_on' | 'always_off' | 'traceidratio';
  /** The decision of a remote parent, if there is one, wins over `kind`. */
  readonly parentBased: boolean;
  /** Share of traces, 0 to 1, that `kind` amounts to. */
  readonly ratio: number;
}

const prefix = 'parentbased_';
const kinds = ['always_on', 'always_off', 'traceidratio'] as const;

/** Samplers of the OpenTelemetry specification, "SDK environment variables". uspan has no others, such as jaeger_remote. */
export const samplerNames = [...kinds, ...kinds.map((kind) => `${prefix}${kind}` as const)] as const;
export type SamplerName = (typeof samplerNames)[number];

/** What a sampler's argument can be: a share for the ratio samplers. The others ignore it. */
export function samplerArgument(name: SamplerName): Value<unknown> {
  return name.endsWith('traceidratio') ? ratio : plainText;
}

export function samplerOf({
  sampler,
  samplerArgument,
}: Pick<Settings, 'sampler' | 'samplerArgument'>): SamplerSettings {
  const kind = kinds.find((each) => sampler.endsWith(each))!;
  const share = { always_on: 1, always_off: 0, traceidratio: Number(samplerArgument) }[kind];
  return { kind, parentBased: sampler.startsWith(prefix), ratio: share };
}
