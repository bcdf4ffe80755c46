import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { plainFunction } from '../../src/cli/plain-function.ts';

test.each([
  '_ZN4node22EmitToJSStreamListener12OnStreamReadElRK8uv_buf_t',
  '_ZN4node6crypto7TLSWrap7DoWriteEPNS_9WriteWrapEP8uv_buf_tmP11uv_stream_s',
  '_ZN4node6sqlite12DatabaseSync4ExecERKN2v820FunctionCallbackInfoINS2_5ValueEEE',
  '_ZNK4node11http_parser6Parser8SelfSizeEv',
])('%s, as c++filt has it', (name) => {
  const demangled = execFileSync('c++filt', [name], { encoding: 'utf8' });
  expect(plainFunction(name)).toBe(demangled.slice(0, demangled.indexOf('(')));
});

test.each([
  'sqlite3_reset',
  'net/http.(*conn).serve',
  '_ZN4node',
  '_ZN99999999999999999999nodeE',
  '_ZN4node12_GLOBAL__N_1IcE3fooEv',
  '',
])('%j stays as it is', (name) => {
  expect(plainFunction(name)).toBe(name);
});
