/** What `uspan run` does when its outputs fail, and what commands print of names that strangers chose. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launchAgent, startAgent } from '../support/agent.ts';
import { buildGoFixture, type GoFixture, startGoFixture } from '../support/go-fixture.ts';
import { get } from '../support/http.ts';
import { watchKernel } from '../support/kernel-leftovers.ts';
import { type OtlpReceiver, type OtlpReceiverOptions, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { runProcess, startProcess } from '../support/process.ts';

const asRoot = process.getuid?.() === 0;
const uspan = join(import.meta.dirname, '..', '..', 'bin', 'uspan');

describe.skipIf(!asRoot && !process.env.REQUIRE_KERNEL)('run', () => {
  let server: GoFixture;
  const receivers: OtlpReceiver[] = [];
  const kernel = watchKernel();

  beforeAll(async () => {
    server = await startGoFixture(await buildGoFixture({ go: '1.26', variant: 'stripped' }));
  });
  afterEach(async () => {
    for (const receiver of receivers.splice(0)) await receiver.close();
  });
  afterAll(async () => {
    await server.stop();
    await kernel.assertNothingLeft();
  });

  async function receiverOf(options: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
    const receiver = await startOtlpReceiver(options);
    receivers.push(receiver);
    return receiver;
  }

  async function serve(requests: number): Promise<void> {
    for (let i = 0; i < requests; i++) await get(server.port, `/items/${i}`);
  }

  test('an endpoint that is a web page: the log says so, the spans are counted, the exit code tells', async () => {
    const page = { kind: 'page', status: 200, contentType: 'text/html', body: '<html>login</html>' } as const;
    const { endpoint } = await receiverOf({ behaviour: page });
    const agent = await startAgent({ pids: [server.pid], endpoint });
    await serve(3);
    const { code, report, stderr } = await agent.stop();
    expect(code).toBe(5);
    expect(report).toMatchObject({ exported: 0, lost: [{ stage: 'export', reason: 'failed', count: 3 }] });
    expect(stderr).toMatch(
      /cannot export spans .*"code":"E_EXPORT".*"endpoint":"http:\/\/127\.0\.0\.1:\d+\/v1\/traces".*"HTTP 200"/,
    );
    expect(stderr).toContain('not from an OTLP collector: text/html');
    expect(stderr).not.toContain('no longer losing');
  });

  test.each(['SIGHUP', 'SIGTERM', 'SIGINT'] as const)(
    '%s sends what is there; several SIGHUP do no harm',
    async (signal) => {
      const receiver = await receiverOf({ behaviour: { kind: 'slow', delayMs: 300 } });
      const agent = await startAgent({ pids: [server.pid], endpoint: receiver.endpoint });
      process.kill(agent.pid, 'SIGPIPE');
      await serve(5);
      process.kill(agent.pid, signal);
      process.kill(agent.pid, 'SIGHUP');
      process.kill(agent.pid, 'SIGHUP');
      const { code, report } = await agent.exited;
      expect({ code, exported: report?.exported }).toEqual({ code: 0, exported: 5 });
      expect(receiver.spanCount).toBe(5);
    },
  );

  test('stdout on a full disk: spans are sent as before, the report is whole, the exit code tells', async () => {
    const receiver = await receiverOf();
    const agent = await startAgent({
      pids: [server.pid],
      endpoint: receiver.endpoint,
      env: { OTEL_TRACES_EXPORTER: 'otlp,console' },
      extra: ['--json'],
      launcher: ['bash', '-c', 'exec "$@" >/dev/full', 'bash'],
    });
    await serve(3);
    await receiver.waitForSpans(3, 10_000);
    await serve(4);
    await receiver.waitForSpans(7, 10_000);
    process.kill(agent.pid, 'SIGTERM');
    const { code, report, stderr } = await agent.exited;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^uspan: E_OUTPUT: stdout could not be written: ENOSPC/m);
    expect(report).toMatchObject({ exported: 7, lost: [{ stage: 'output', reason: 'write_failed', count: 7 }] });
  });

  test('stdout on a full disk, and nothing else to do: it ends by itself', async () => {
    const agent = await launchAgent({
      pids: [server.pid],
      endpoint: '',
      extra: ['--json'],
      launcher: ['bash', '-c', 'exec "$@" >/dev/full', 'bash'],
    });
    await agent.ready();
    await serve(1);
    const { code, report, stderr } = await agent.exited;
    expect(code).toBe(1);
    expect(stderr).toContain('E_OUTPUT');
    expect(report?.spans.server).toBe(1);
  });

  test('a report on a full disk: coded, after the spans were sent', async () => {
    const receiver = await receiverOf();
    const agent = await launchAgent({ pids: [server.pid], endpoint: receiver.endpoint, extra: ['--report=/dev/full'] });
    await agent.ready();
    await serve(2);
    process.kill(agent.pid, 'SIGTERM');
    const { code, stderr } = await agent.exited;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^uspan: E_REPORT: the report cannot be written \(\/dev\/full\): ENOSPC/m);
    expect(receiver.spanCount).toBe(2);
  });
});

describe('a program and a file with names that drive a terminal', () => {
  const evil = 'e\x1b]0;owned\x07\n\u202e\u009b1mvil';
  const driving = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;
  let directory: string;
  let program: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'uspan-evil-'));
    program = join(directory, evil);
    copyFileSync('/bin/sleep', program);
    writeFileSync(join(directory, 'uspan.yaml'), '"a\\e[31m\\n": 1\n');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test('are shown, with nothing in them that drives it', async () => {
    const running = await startProcess(program, ['60']);
    const pid = String(running.pid);
    const commands = [
      ['discover', '--explain', '--pid', pid],
      ['discover', '--json', '--pid', pid],
      ['discover', '--config', join(directory, 'uspan.yaml')],
      ['discover', '--config', `${program}.yaml`],
      ['run', '--pid', pid],
      ['run', '--exe', program, '--report', `${directory}/${evil}/report`],
      ['run', '--pid', evil],
      ['usdt', pid],
      ['usdt', program],
      ['usdt', `${program}.so`],
      [evil],
    ];
    for (const args of commands) {
      const { code, stdout, stderr } = await runProcess(uspan, args);
      expect(code, `${args}`).not.toBe(0);
      expect(stdout + stderr, `${args}`).not.toMatch(driving);
      // An error is one line.
      if (stderr !== '') expect(stderr.trimEnd().split('\n'), stderr).toHaveLength(1);
    }
    await running.stop();
  });
});
