import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildGoFixture, type GoFixture, type GoRelease, startGoFixture } from './go-fixture.ts';
import { concurrently, encodeRequest, get, RawConnection, requestOnce } from './http.ts';

// Kernel tests judge spans by the fixture and its client. So both are tested here, on the oldest and newest release.
describe.each<GoRelease>(['1.21', '1.27'])('the Go HTTP fixture, Go %s', (go) => {
  let fixture: GoFixture;
  beforeAll(async () => {
    fixture = await startGoFixture(await buildGoFixture({ go, variant: 'stripped' }));
  });
  afterAll(async () => {
    expect(await fixture.stop()).toEqual({ code: 0, signal: null });
  });

  test('answers what the routes promise', async () => {
    expect((await get(fixture.port, '/hello')).body.toString()).toBe('hello\n');
    expect((await get(fixture.port, '/items/42')).body.toString()).toBe('item 42\n');
    expect((await get(fixture.port, '/wrapped/items/43')).body.toString()).toBe('item 43\n');
    expect((await get(fixture.port, '/nested/items/44')).body.toString()).toBe('item 44\n');
    expect((await get(fixture.port, '/status/503')).status).toBe(503);
    expect((await get(fixture.port, '/none')).status).toBe(200);
    expect((await get(fixture.port, '/nowhere')).status).toBe(404);
    expect((await get(fixture.port, '/double')).status).toBe(201);
    expect((await get(fixture.port, '/deepstack?n=500')).body.toString()).toBe('500 1000\n');
    expect((await get(fixture.port, '/mutate')).body.toString()).toBe('MMMMMMM /replaced/replaced/replaced/replaced\n');
  });

  test('matches methods where the release has such patterns', async () => {
    const deleted = await requestOnce(fixture.port, { method: 'DELETE', target: '/items/1' });
    expect(deleted.status).toBe(go === '1.21' ? 200 : 405);
  });

  test('moves a goroutine between threads', async () => {
    const answers = await concurrently(8, () => get(fixture.port, '/gomaxprocs?n=50'));
    expect(Math.max(...answers.map((answer) => Number(answer.body)))).toBeGreaterThan(1);
  });

  test('sends informational responses first', async () => {
    expect(await get(fixture.port, '/hints')).toMatchObject({ status: 404, informational: [103] });
    const expecting = { method: 'POST', target: '/echo', headers: { Expect: '100-continue' }, body: 'x' };
    expect(await requestOnce(fixture.port, expecting)).toMatchObject({ status: 200, informational: [100] });
  });

  test('serves TLS, keep-alive, pipelines, chunks, HTTP/1.0 and odd bytes', async () => {
    expect((await get(fixture.tlsPort, '/hello', { tls: true })).status).toBe(200);
    const connection = await RawConnection.open(fixture.port);
    const chunked = { method: 'POST', target: '/echo', body: 'a'.repeat(1000), chunkBytes: 7 };
    for (let i = 0; i < 3; i++) expect((await connection.request(chunked)).body.length).toBe(1000);
    for (let i = 0; i < 5; i++) connection.send(encodeRequest({ target: `/items/${i}` }));
    for (let i = 0; i < 5; i++) expect((await connection.receive()).body.toString()).toBe(`item ${i}\n`);
    expect((await connection.request({ method: 'HEAD', target: '/hello' })).body.length).toBe(0);
    expect((await connection.request({ target: '/hello' })).status).toBe(200);
    await connection.close();

    expect((await requestOnce(fixture.port, { target: '/hello', version: 'HTTP/1.0' })).status).toBe(200);
    const odd = await requestOnce(fixture.port, { method: 'BREW', target: '/echo-headers?\xff\x80' });
    expect(JSON.parse(odd.body.toString())).toMatchObject({ method: 'BREW' });
  });

  test('offers HTTP/2 only when told to', async () => {
    const withHttp2 = await startGoFixture(await buildGoFixture({ go, variant: 'stripped' }), { h2: true });
    expect(await negotiatedProtocol(withHttp2.tlsPort)).toBe('h2');
    expect(await negotiatedProtocol(fixture.tlsPort)).not.toBe('h2');
    await withHttp2.stop();
  });

  test('counts panics, aborts and hijacked connections', async () => {
    const before = await fixture.stats();
    await expect(get(fixture.port, '/panic')).rejects.toThrow('closed before a whole response');
    await expect(get(fixture.port, '/abort')).rejects.toThrow('closed before a whole response');

    const hijacked = await RawConnection.open(fixture.port);
    expect((await hijacked.request({ target: '/hijack' })).status).toBe(101);
    hijacked.send('over to you');
    expect((await hijacked.receiveBytes(11)).toString()).toBe('over to you');
    await hijacked.close();

    for (const tls of [false, true]) {
      const reader = await RawConnection.open(tls ? fixture.tlsPort : fixture.port, { tls });
      reader.send(encodeRequest({ target: '/big' }));
      await reader.receiveBytes(100_000);
      reader.abort();
    }
    const after = await fixture.until(
      (stats) => stats.started === stats.finished && stats.aborted === before.aborted + 2,
    );
    expect(after.panicked).toBe(before.panicked + 2);
    expect(after.hijacked).toBe(before.hijacked + 1);
    expect(after.started).toBe(before.started + 5);
  });

  test('holds 2,000 requests in flight', async () => {
    const answers = concurrently(2000, () => get(fixture.port, '/gate'));
    await fixture.until((stats) => stats.gated === 2000, 30_000);
    expect(await fixture.release()).toBe(2000);
    expect((await answers).every((answer) => answer.body.toString() === 'released\n')).toBe(true);
  });
});

async function negotiatedProtocol(port: number): Promise<string | false | null> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] });
  await once(socket, 'secureConnect');
  socket.destroy();
  return socket.alpnProtocol;
}
