import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { agentVersion } from '../../src/cli/agent-version.ts';
import { type Environment, settingsOf } from '../../src/settings/read-settings.ts';
import { type SamplerSettings, samplerOf } from '../../src/settings/sampler.ts';

const samplerFromEnvironment = (environment: Environment) => samplerOf(settingsOf({ environment }));

describe('the sampler, from the environment', () => {
  test.each<[string | undefined, string | undefined, SamplerSettings]>([
    [undefined, undefined, { kind: 'always_on', parentBased: true, ratio: 1 }],
    ['', '', { kind: 'always_on', parentBased: true, ratio: 1 }],
    ['always_on', undefined, { kind: 'always_on', parentBased: false, ratio: 1 }],
    ['always_off', undefined, { kind: 'always_off', parentBased: false, ratio: 0 }],
    ['parentbased_always_off', undefined, { kind: 'always_off', parentBased: true, ratio: 0 }],
    ['traceidratio', '0.25', { kind: 'traceidratio', parentBased: false, ratio: 0.25 }],
    ['traceidratio', undefined, { kind: 'traceidratio', parentBased: false, ratio: 1 }],
    ['traceidratio', '0', { kind: 'traceidratio', parentBased: false, ratio: 0 }],
    ['parentbased_traceidratio', ' 1e-3 ', { kind: 'traceidratio', parentBased: true, ratio: 0.001 }],
    ['parentbased_traceidratio', '.5', { kind: 'traceidratio', parentBased: true, ratio: 0.5 }],
    ['always_on', 'not looked at', { kind: 'always_on', parentBased: false, ratio: 1 }],
  ])('%j with argument %j', (sampler, argument, expected) => {
    expect(samplerFromEnvironment({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument })).toEqual(
      expected,
    );
  });

  test.each([
    ['jaeger_remote', '', 'OTEL_TRACES_SAMPLER is "jaeger_remote", but must be one of always_on, always_off'],
    ['ALWAYS_ON', '', 'OTEL_TRACES_SAMPLER is "ALWAYS_ON"'],
    ['traceidratio', '1.1', 'OTEL_TRACES_SAMPLER_ARG is "1.1", but must be a number from 0 to 1'],
    ['traceidratio', '-0.1', 'OTEL_TRACES_SAMPLER_ARG'],
    ['traceidratio', 'NaN', 'OTEL_TRACES_SAMPLER_ARG'],
    ['parentbased_traceidratio', '10%', 'OTEL_TRACES_SAMPLER_ARG'],
  ])('%s with argument %j is refused', (sampler, argument, message) => {
    const read = () => samplerFromEnvironment({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument });
    expect(read).toThrow(expect.objectContaining({ code: 'E_USAGE', message: expect.stringContaining(message) }));
  });
});

test('agentVersion is that of the package', () => {
  expect(agentVersion()).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
});
