/** Most of the memory that sending costs is code, so only the code of the protocol in use may be loaded. */
import { expect, test } from 'vitest';
import { runProcess } from '../support/process.ts';

const program = (protocol: string) => `
  import { registerHooks } from 'node:module';
  const loaded = [];
  registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
  const { openOtlpTransport } = await import('./src/otel/otlp-transport.ts');
  const { readExportSettings } = await import('./test/support/settings.ts');
  const transport = await openOtlpTransport(readExportSettings({ OTEL_EXPORTER_OTLP_PROTOCOL: '${protocol}' }).otlp, 'uspan/0');
  await transport.close();
  loaded.push(...process.moduleLoadList);
  console.log(JSON.stringify(loaded));
`;

test.each([
  ['http/protobuf', false],
  ['grpc', true],
])('%s: the code of gRPC is loaded: %s', async (protocol, wanted) => {
  const args = ['--input-type=module', '--eval', program(protocol)];
  const { code, stdout, stderr } = await runProcess(process.execPath, args);
  expect(code, stderr).toBe(0);
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded.some((url) => url.includes('/src/otel/otlp-transport.ts'))).toBe(true);
  expect(loaded.some((url) => url.includes('/@grpc/grpc-js/'))).toBe(wanted);
  // Modules of Node.js that only fetch and WebSocket need.
  expect(loaded).toContain(`NativeModule ${wanted ? 'http2' : 'http'}`);
  expect(loaded.filter((name) => name.includes('undici'))).toEqual([]);
});
