import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concurrently, encodeRequest, get, RawConnection, requestOnce } from './http.ts';
import {
  type NodeFixture,
  type NodeRelease,
  nodeBinary,
  nodeReleases,
  ownNodeBinary,
  startNodeFixture,
} from './node-fixture.ts';
import { runProcess } from './process.ts';

// Kernel tests judge spans by the fixture. So it is tested here, on the oldest and the newest release.
describe.each<NodeRelease>(['18', '26'])('the Node.js HTTP fixture, Node.js %s', (release) => {
  let fixture: NodeFixture;
  beforeAll(async () => {
    fixture = await startNodeFixture(await nodeBinary(release), 'node-http', { tls: true, args: ['--workers=1'] });
  });
  afterAll(async () => {
    expect(await fixture.stop()).toEqual({ code: 0, signal: null });
    expect(fixture.stderr()).toBe('');
  });

  test('is the release it should be, on an inode of its own where asked for', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'uspan-node-'));
    try {
      const own = await ownNodeBinary(release, directory);
      const { stdout } = await runProcess(own, ['--version']);
      expect(stdout.trim()).toBe(`v${nodeReleases[release].version}`);
      expect((await stat(own)).ino).not.toBe((await stat(await nodeBinary(release))).ino);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('answers what the routes promise', async () => {
    expect((await get(fixture.port, '/hello')).body.toString()).toBe('hello\n');
    expect((await get(fixture.port, '/none')).status).toBe(204);
    expect((await get(fixture.port, '/unchanged')).status).toBe(304);
    expect((await get(fixture.port, '/status/503')).status).toBe(503);
    expect((await get(fixture.port, '/items/42?a=b')).body.toString()).toBe('item 42\n');
    expect((await get(fixture.port, '/nowhere')).status).toBe(404);
    expect((await get(fixture.port, '/sleep?ms=1')).body.toString()).toBe('slept\n');
    expect((await get(fixture.port, '/chunks?n=2')).body.toString()).toBe('chunk 0\nchunk 1\n');
    expect((await get(fixture.port, '/parts')).body.toString()).toBe('first second');
    expect((await get(fixture.port, '/large?mb=2')).body.length).toBe(2 << 20);
    expect(await get(fixture.port, '/hints')).toMatchObject({ status: 404, informational: [103] });
    const expecting = { method: 'POST', target: '/echo', headers: { Expect: '100-continue' }, body: 'x' };
    expect(await requestOnce(fixture.port, expecting)).toMatchObject({ status: 200, informational: [100] });
  });

  test('serves TLS, worker threads, keep-alive, pipelines, chunks and HTTP/1.0', async () => {
    expect((await get(fixture.ports.get('https')!, '/hello', { tls: true })).status).toBe(200);
    expect((await get(fixture.ports.get('worker0')!, '/hello')).status).toBe(200);
    const connection = await RawConnection.open(fixture.port);
    const chunked = { method: 'POST', target: '/echo', body: 'a'.repeat(1000), chunkBytes: 7 };
    for (let i = 0; i < 3; i++) expect((await connection.request(chunked)).body.length).toBe(1000);
    for (let i = 0; i < 5; i++) connection.send(encodeRequest({ target: `/items/${i}` }));
    for (let i = 0; i < 5; i++) expect((await connection.receive()).body.toString()).toBe(`item ${i}\n`);
    expect((await connection.request({ method: 'HEAD', target: '/hello' })).body.length).toBe(0);
    await connection.close();
    expect((await requestOnce(fixture.port, { target: '/hello', version: 'HTTP/1.0' })).status).toBe(200);

    const upgraded = await RawConnection.open(fixture.port);
    const headers = { Connection: 'Upgrade', Upgrade: 'echo' };
    expect((await upgraded.request({ target: '/', headers })).status).toBe(101);
    upgraded.send('over to you');
    expect((await upgraded.receiveBytes(11)).toString()).toBe('over to you');
    await upgraded.close();
  });

  test('makes outgoing requests, from a request and from none', async () => {
    const own = encodeURIComponent(`http://127.0.0.1:${fixture.port}/status/418`);
    const ownTls = `https://127.0.0.1:${fixture.ports.get('https')}/hello`;
    const before = await fixture.stats();
    for (const via of ['http', 'fetch']) {
      expect((await get(fixture.port, `/call?via=${via}&url=${own}`)).status).toBe(418);
      expect((await get(fixture.port, `/call?via=${via}&url=http://127.0.0.1:1/`)).status).toBe(502);
    }
    expect(await fixture.control(`call ${JSON.stringify({ url: ownTls, times: 3 })}`)).toMatchObject([
      { status: 200 },
      { status: 200 },
      { status: 200 },
    ]);
    const after = await fixture.stats();
    expect(after.calls! - before.calls!).toBe(7);
    expect(after.answered! - before.answered!).toBe(5);
    expect(after.failed! - before.failed!).toBe(2);
  });

  test('counts what was aborted, and holds 500 requests in flight', async () => {
    const before = await fixture.stats();
    await expect(get(fixture.port, '/abort')).rejects.toThrow('closed before a whole response');
    await expect(get(fixture.port, '/cut')).rejects.toThrow('closed before a whole response');
    for (const tls of [false, true]) {
      const reader = await RawConnection.open(tls ? fixture.ports.get('https')! : fixture.port, { tls });
      reader.send(encodeRequest({ target: '/big' }));
      await reader.receiveBytes(100_000);
      reader.abort();
    }
    const waiter = await RawConnection.open(fixture.port);
    waiter.send(encodeRequest({ target: '/gate' }));
    await fixture.until(({ gated }) => gated === 1);
    waiter.abort();
    const after = await fixture.until(({ started, finished, aborted }) => started === finished! + aborted!);
    expect(after.aborted! - before.aborted!).toBe(5);
    expect(after.gated).toBe(0);

    const answers = concurrently(500, () => get(fixture.port, '/gate'));
    await fixture.until(({ gated }) => gated === 500);
    expect(await fixture.control('release')).toEqual({ released: 500 });
    expect((await answers).every((answer) => answer.body.toString() === 'released\n')).toBe(true);
  });
});
