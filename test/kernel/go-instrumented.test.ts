/** Go programs that contain otelhttp and OpenTelemetry's SDK: they are traced unless the SDK runs. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type RunningProcess, runProcess, startProcess } from '../support/process.ts';
import { spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

/** Not an address that anything else on the host uses. */
const otlpHost = '127.0.77.2';

describeKernel('Go programs with an SDK of their own', () => {
  leavesNothingInKernel();
  const world = useWorld();

  async function using<T>(
    args: readonly string[],
    env: Record<string, string>,
    use: (program: RunningProcess, port: number) => Promise<T>,
  ): Promise<T> {
    const program = await startProcess(await world.binary('1.26', 'stripped', 'go-otel'), args, { env });
    try {
      await program.waitForLine(/^ready$/);
      return await use(program, Number(/^listening plain .*:(\d+)$/m.exec(program.stdout())![1]));
    } finally {
      await program.stop();
    }
  }

  test('an SDK that does not run: every request and call is a span', { timeout: 400_000 }, async () => {
    await using([], {}, async ({ pid }, port) => {
      const agent = await world.agent({ pids: [pid] });
      for (let n = 0; n < 100; n++) await requestOnce(port, { target: '/call' });
      const spans = await spansOf(world.receiver, pid, 300);
      expect(spans.filter(({ kind }) => kind === 2)).toHaveLength(200);
      expect((await agent.stop()).report.lostTotal).toBe(0);
    });
  });

  test.each([
    ['OTEL_SDK_DISABLED', 'true'],
    ['OTEL_TRACES_EXPORTER', 'none'],
  ])('one that is a no-op by %s=%s is no SDK', async (name, value) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', [name]: value };
    await using([], env, async ({ pid }, port) => {
      await world.agent({ pids: [pid] });
      await requestOnce(port, { target: '/ok' });
      await spansOf(world.receiver, pid, 1);
    });
  });

  test('one that is configured: left alone, and told at info and by discover', async () => {
    await using([], { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, async ({ pid }, port) => {
      // With --pid it would end at once, because there is nothing to trace.
      const agent = await world.agent({ exeGlobs: ['go-otel'] });
      await requestOnce(port, { target: '/call' });
      const reasons = {
        reason: 'already_instrumented',
        detail: expect.stringContaining('OTEL_EXPORTER_OTLP_ENDPOINT'),
      };
      const { report, stderr } = await agent.stop();
      expect(report.skipped).toEqual(
        expect.arrayContaining(
          ['go/net/http/server', 'go/net/http/client'].map((definition) =>
            expect.objectContaining({ definition, ...reasons }),
          ),
        ),
      );
      expect(stderr).toMatch(/not traced.*go\/net\/http\/server.*already_instrumented/);
      expect(report.spans).toEqual({ server: 0, client: 0, internal: 0 });
      const { stdout } = await runProcess(process.env.USPAN_BIN || 'bin/uspan', ['discover', `--pid=${pid}`]);
      expect(stdout).toMatch(/go\/net\/http\/server: already_instrumented: .*OTEL_EXPORTER_OTLP_ENDPOINT/);
    });
  });

  test('requests to h2c of golang.org/x/net are counted, each of them', async () => {
    await using(['-h2c'], {}, async ({ pid }, port) => {
      const agent = await world.agent({ pids: [pid] });
      const session = connect(`http://127.0.0.1:${port}`);
      for (let n = 0; n < 20; n++) {
        const request = session.request({ ':path': '/ok' });
        const [headers] = (await once(request, 'response')) as [{ ':status'?: number }];
        expect(headers[':status']).toBe(200);
        request.resume();
        await once(request, 'end');
      }
      session.close();
      await once(session, 'close');
      await requestOnce(port, { target: '/ok' });
      await spansOf(world.receiver, pid, 1);
      const { report } = await agent.stop();
      expect(report.counters).toMatchObject({ skipped_http2: 20, end_without_start: 0, spans: 1 });
      expect(report.lostTotal).toBe(0);
    });
  });

  test('one that the program configures itself: left alone when its exporter has connected', async () => {
    const collector = createServer((_, response) => response.end());
    // As collectors do, it keeps the connection longer than the pause between two looks. Node's own 5 s are shorter.
    collector.keepAliveTimeout = 60_000;
    collector.listen(4318, otlpHost);
    await once(collector, 'listening');
    const endpoint = `${otlpHost}:${(collector.address() as AddressInfo).port}`;
    await using([`-sdk=${endpoint}`], {}, async ({ pid }, port) => {
      const agent = await world.agent({ pids: [pid] });
      await requestOnce(port, { target: '/ok' });
      await expect.poll(agent.stderr, { timeout: 30_000 }).toMatch(/no longer traced.*OTLP/);
      const seen = world.receiver.spanCount;
      await requestOnce(port, { target: '/ok' });
      const { report } = await agent.stop();
      expect(world.receiver.spanCount).toBe(seen);
      expect(report.skipped).toContainEqual(
        expect.objectContaining({ definition: 'go/net/http/server', reason: 'already_instrumented' }),
      );
      expect(report.lostTotal).toBe(0);
    });
    collector.closeAllConnections();
    collector.close();
  });
});
