import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { GoInfo, GoTypes } from '../../src/contract/binary.ts';
import { containerIdOfMounts, parseCgroup } from '../../src/discovery/processes/cgroup.ts';
import { identity, resourceOf } from '../../src/discovery/processes/identity.ts';
import { instanceId, uuidV5 } from '../../src/discovery/processes/instance-id.ts';
import type { ProcessFacts } from '../../src/discovery/processes/process-facts.ts';
import { programName } from '../../src/discovery/processes/program-name.ts';
import { readProcess } from '../../src/discovery/processes/read-process.ts';
import { parseResourceAttributes } from '../../src/discovery/processes/resource-attributes.ts';
import { workloadName } from '../../src/discovery/processes/workload-name.ts';

const id = '0123456789abcdef'.repeat(4);
const noTypes: GoTypes = {
  start: 0,
  field: () => undefined,
  descriptor: () => undefined,
  hash: () => undefined,
  contextWrappers: () => [],
  errorWrappers: () => [],
  headerMap: () => undefined,
};

function facts(path: string | undefined, argv: string[] = []): ProcessFacts {
  const exe = path === undefined ? undefined : { path, deleted: false, dev: 1n, ino: 2n };
  return { pid: 7, ppid: 1, comm: 'thread', startBootNs: 50_000_000n, uid: 0, exe, argv };
}

function goInfo(more: Partial<GoInfo>): GoInfo {
  const none = new Map<string, string>();
  return { version: 'go1.26.8', path: '', main: undefined, modules: none, settings: none, types: noTypes, ...more };
}

describe('service.name', () => {
  const all = {
    OTEL_SERVICE_NAME: 'by-name',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=by-attribute',
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
    HOSTNAME: 'shop-7d9c6bf4b5-x2x7k',
  };
  const { OTEL_SERVICE_NAME: _name, ...noName } = all;
  const { OTEL_RESOURCE_ATTRIBUTES: _attributes, ...pod } = noName;
  const unit = '0::/system.slice/nginx.service\n';

  test.each<[string, string | undefined, Record<string, string>, string, string]>([
    ['a rule', 'by-rule', all, unit, 'by-rule'],
    ['OTEL_SERVICE_NAME', undefined, all, unit, 'by-name'],
    ['OTEL_RESOURCE_ATTRIBUTES', undefined, noName, unit, 'by-attribute'],
    ['an empty OTEL_SERVICE_NAME is none', undefined, { ...noName, OTEL_SERVICE_NAME: '' }, unit, 'by-attribute'],
    ['the pod', undefined, pod, unit, 'shop'],
    ['HOSTNAME outside a pod is none', undefined, { HOSTNAME: 'db-0' }, unit, 'nginx'],
    ['the unit', undefined, {}, unit, 'nginx'],
    ['the program', undefined, {}, '0::/user.slice/user-0.slice/session-1.scope\n', 'run'],
  ])('%s', (_, serviceName, environ, cgroup, expected) => {
    const around = { environ: new Map(Object.entries(environ)), supervision: parseCgroup(cgroup) };
    const { attributes } = resourceOf(facts('/bin/run'), around, { agentVersion: '1.2.3', serviceName });
    expect(attributes['service.name']).toBe(expected);
  });
});

describe('resourceOf', () => {
  const around = (environ: Record<string, string>, cgroup = '') => ({
    environ: new Map(Object.entries(environ)),
    supervision: parseCgroup(cgroup),
  });

  test('a Go service in a pod', () => {
    const go = goInfo({ path: 'example.com/shop/cmd/api', main: { path: 'example.com/shop', version: 'v1.4.0' } });
    const cgroup = `0::/kubepods.slice/kubepods-pod1b4d2f60_0f2c_4c60_8f6e_3a7e6f7a9b01.slice/cri-containerd-${id}.scope\n`;
    const { attributes } = resourceOf(
      facts('/app/api', ['/app/api', '--password=x']),
      around({ HOSTNAME: 'api-0' }, cgroup),
      {
        agentVersion: '1.2.3',
        binary: { runtime: 'go', go },
      },
    );
    expect(attributes).toEqual({
      'service.name': 'api',
      'service.version': 'v1.4.0',
      'service.instance.id': instanceId({ pid: 7, startBootNs: 50_000_000n }),
      'process.pid': 7,
      'process.executable.name': 'api',
      'process.executable.path': '/app/api',
      'process.runtime.name': 'go',
      'process.runtime.version': 'go1.26.8',
      'host.name': hostname(),
      'host.id': readFileSync('/etc/machine-id', 'utf8').trim(),
      'host.arch': { x64: 'amd64', arm64: 'arm64' }[process.arch as string],
      'os.type': 'linux',
      'container.id': id,
      'k8s.pod.name': 'api-0',
      'k8s.pod.uid': '1b4d2f60-0f2c-4c60-8f6e-3a7e6f7a9b01',
      'telemetry.sdk.language': 'go',
      'telemetry.distro.name': 'uspan',
      'telemetry.distro.version': '1.2.3',
    });
  });

  test("the target's own attributes replace ours, but not what uspan says of itself", () => {
    const environ = {
      OTEL_RESOURCE_ATTRIBUTES: 'host.name=box,deployment.environment.name=a%20b%2Cc,telemetry.distro.name=x',
    };
    const { attributes } = resourceOf(facts('/bin/x'), around(environ), { agentVersion: '1' });
    expect(attributes).toMatchObject({
      'host.name': 'box',
      'deployment.environment.name': 'a b,c',
      'telemetry.distro.name': 'uspan',
    });
  });

  test('what the kernel says of the process replaces its own words', () => {
    const environ = { OTEL_RESOURCE_ATTRIBUTES: 'process.pid=1,process.executable.path=/no,process.owner=me' };
    const { attributes } = resourceOf(facts('/bin/x'), around(environ), { agentVersion: '1' });
    expect(attributes).toMatchObject({
      'process.pid': 7,
      'process.executable.path': '/bin/x',
      'process.owner': 'me',
    });
  });

  test('malformed members of OTEL_RESOURCE_ATTRIBUTES are told, without values', () => {
    const told: unknown[] = [];
    const environ = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop,secret,token=%zz' };
    const { attributes } = resourceOf(facts('/bin/x'), around(environ), {
      agentVersion: '1',
      onFaults: (...fault) => told.push(fault),
    });
    expect(attributes['service.name']).toBe('shop');
    expect(told).toEqual([[7, ['member 2 has no =', 'member 3 (token) is not percent-encoded UTF-8']]]);
  });

  test.each([
    ['v1.2.3', 'v1.2.3'],
    ['v1.2.3-rc.1', 'v1.2.3-rc.1'],
    ['(devel)', undefined],
    ['', undefined],
    ['v0.0.0-20240102030405-0123456789ab', undefined],
    ['v1.2.4-0.20240102030405-0123456789ab+dirty', undefined],
  ])('service.version of module version %j is %j', (version, expected) => {
    const binary = { runtime: 'go', go: goInfo({ main: { path: 'm', version } }) } as const;
    const { attributes } = resourceOf(facts('/bin/x'), around({}), { agentVersion: '1', binary });
    expect(attributes['service.version']).toBe(expected);
  });

  test('a process nothing may be read of still has a name and an id', () => {
    const { attributes } = resourceOf(facts(undefined), around({}), { agentVersion: '1' });
    expect(attributes).toMatchObject({ 'service.name': 'thread', 'process.pid': 7 });
    expect(attributes).not.toHaveProperty('process.executable.path');
  });
});

test('identity of this process, from /proc', () => {
  const own = readProcess(process.pid)!;
  const { attributes } = identity(own, { agentVersion: '1', serviceName: 'tests' });
  expect(attributes).toMatchObject({ 'service.name': 'tests', 'process.pid': process.pid });
  expect(identity(own, { agentVersion: '1' }).attributes['service.instance.id']).toBe(
    attributes['service.instance.id'],
  );
});

test('UUID version 5', () => {
  // The example of RFC 9562, appendix A.4: www.example.com in the DNS namespace.
  const dns = Buffer.from('6ba7b8109dad11d180b400c04fd430c8', 'hex');
  expect(uuidV5(dns, 'www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
  expect(instanceId({ pid: 1, startBootNs: 1n })).not.toBe(instanceId({ pid: 1, startBootNs: 2n }));
});

describe('programName', () => {
  test.each<[string, string, string[], string]>([
    ['an executable', '/usr/bin/shop', ['shop', '-v'], 'shop'],
    ['a node script', '/usr/bin/node', ['node', '/srv/pay.js'], 'pay'],
    ['node options', '/usr/bin/node', ['node', '--max-old-space-size=1', '-r', './x.js', 'pay.mjs'], 'pay'],
    ['a script named like any', '/usr/bin/node', ['node', '/srv/billing/dist/src/index.js'], 'billing'],
    ['nothing better', '/usr/bin/node', ['node', 'server.js'], 'unknown_service:node'],
    ['node -e', '/usr/bin/node', ['node', '-e', '1'], 'unknown_service:node'],
    ['no script', '/usr/bin/node', ['node'], 'unknown_service:node'],
    ['a title', '/usr/bin/node', ['next-server (v15.5.29)', '', '', ''], 'next-server'],
    ['a title that says nothing', '/usr/bin/node', ['node', '', ''], 'unknown_service:node'],
    ['a title with a command line', '/usr/bin/node', ['node /srv/pay.js', '', ''], 'pay'],
    ['an executable in a directory', '/srv/billing/bin/server', ['server'], 'billing'],
    ['an executable named like any', '/usr/local/bin/main', ['main'], 'unknown_service:main'],
    ['a python module', '/usr/bin/python3.11', ['python3', '-m', 'gunicorn.app', 'x:y'], 'gunicorn'],
    ['a python script', '/usr/bin/python3', ['python3', '-u', '/srv/worker.py'], 'worker'],
    ['python -c', '/usr/bin/python3', ['python3', '-c', 'print()'], 'unknown_service:python3'],
  ])('%s', (_, path, argv, expected) => {
    expect(programName(facts(path, argv))).toBe(expected);
  });

  test.each([
    ['example.com/shop/cmd/api', 'api'],
    ['example.com/shop/v2', 'shop'],
    ['shop', 'shop'],
    ['command-line-arguments', 'x'],
    ['', 'x'],
  ])('Go package %j is %j', (path, expected) => {
    expect(programName(facts('/bin/x'), { path })).toBe(expected);
  });

  test.each([
    ['example.com/shop/cmd/server', 'example.com/shop', 'shop'],
    ['example.com/shop/v2/cmd/main', 'example.com/shop/v2', 'shop'],
    ['example.com/main', 'example.com/main', 'example.com/main'],
    ['command-line-arguments', 'example.com/shop', 'shop'],
    ['server', 'server', 'x'],
    ['example.com/shop/cmd/server', undefined, 'shop'],
  ])('Go package %j of module %j is %j: a name that says nothing is never alone', (path, module, expected) => {
    const main = module === undefined ? undefined : { path: module, version: '' };
    expect(programName(facts('/bin/x'), { path, main })).toBe(expected);
  });

  test.each<[string, string[], string]>([
    ['a script named like any', ['node', '/srv/shop/dist/index.js'], 'shop-api'],
    ['a relative one', ['node', 'index.js'], 'in-cwd'],
    ['a relative one above', ['node', '../../shop/main.mjs'], 'shop-api'],
    ['a script with a name', ['node', '/srv/shop/worker.js'], 'worker'],
    ['a tool that was installed for it', ['node', '/srv/shop/node_modules/.bin/next', 'start'], 'shop-api'],
    ['a tool that was installed for all', ['node', '/usr/lib/node_modules/verdaccio/bin/verdaccio'], 'verdaccio'],
    ['a title', ['next-server (v15.5.29)', '', ''], 'in-cwd'],
    ['no script', ['node', '-e', '1'], 'in-cwd'],
  ])('the name in package.json for %s', (_, argv, expected) => {
    const packages = [['/srv/shop', 'shop-api'] as const, ['/srv/web/ui', 'in-cwd'] as const];
    const place = {
      directory: () => '/srv/web/ui',
      packageName: (directory: string) => packages.find(([at]) => `${directory}/`.startsWith(`${at}/`))?.[1],
    };
    expect(programName(facts('/usr/bin/node', argv), undefined, place)).toBe(expected);
  });
});

describe('parseCgroup', () => {
  const pod = '1b4d2f60-0f2c-4c60-8f6e-3a7e6f7a9b01';
  test.each<[string, string, ReturnType<typeof parseCgroup>]>([
    ['docker, v1', `12:memory:/docker/${id}\n0::/\n`, { containerId: id, podUid: undefined, unit: undefined }],
    ['docker, v2', `0::/system.slice/docker-${id}.scope\n`, { containerId: id, podUid: undefined, unit: undefined }],
    [
      'kubernetes, v1',
      `4:cpu:/kubepods/burstable/pod${pod}/${id}\n`,
      { containerId: id, podUid: pod, unit: undefined },
    ],
    [
      'podman',
      `0::/machine.slice/libpod-${id}.scope/container\n`,
      { containerId: id, podUid: undefined, unit: undefined },
    ],
    [
      'cri-o in a unit',
      `0::/system.slice/crio.service/crio-${id}.scope\n`,
      { containerId: id, podUid: undefined, unit: undefined },
    ],
    [
      'k3s',
      `0::/system.slice/k3s.service/kubepods/pod${pod}/${id}:cri-containerd:${id}\n`,
      { containerId: id, podUid: pod, unit: undefined },
    ],
    [
      'a unit',
      '0::/system.slice/system-shop.slice/shop@eu.service\n',
      { containerId: undefined, podUid: undefined, unit: 'shop@eu' },
    ],
    [
      'an escaped unit',
      '0::/system.slice/my\\x2dshop.service\n',
      { containerId: undefined, podUid: undefined, unit: 'my-shop' },
    ],
    [
      'a part of a unit',
      '0::/system.slice/a.service/workers\n',
      { containerId: undefined, podUid: undefined, unit: 'a' },
    ],
    [
      "a user's service",
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n',
      { containerId: undefined, podUid: undefined, unit: undefined },
    ],
    ['too short an id', `0::/docker/${id.slice(1)}\n`, { containerId: undefined, podUid: undefined, unit: undefined }],
    ['too long an id', `0::/docker/${id}0\n`, { containerId: undefined, podUid: undefined, unit: undefined }],
    ['nothing', '', { containerId: undefined, podUid: undefined, unit: undefined }],
  ])('%s', (_, text, expected) => {
    expect(parseCgroup(text)).toEqual(expected);
  });

  test('a container by its mounts, but not the containers a host has mounted', () => {
    const line = (root: string, where: string) => `1 2 0:3 ${root} ${where} rw - ext4 /dev/sda1 rw\n`;
    const path = `/var/lib/docker/containers/${id}`;
    expect(containerIdOfMounts(line('/', '/') + line(`${path}/hostname`, '/etc/hostname'))).toBe(id);
    expect(containerIdOfMounts(line('/', `${path}/mounts/shm`))).toBeUndefined();
    expect(containerIdOfMounts(readFileSync('/proc/self/mountinfo', 'utf8'))).toBeUndefined();
  });
});

test.each([
  ['shop-7d9c6bf4b5-x2x7k', 'shop'],
  ['my-shop-56fb497cf7-kvvxz', 'my-shop'],
  ['agent-x2x7k', 'agent'],
  ['report-28471200-x2x7k', 'report'],
  ['db-0', 'db'],
  ['plain', 'plain'],
  ['shop-apple', 'shop-apple'],
])('pod %s is of %s', (pod, expected) => {
  expect(workloadName(pod)).toBe(expected);
});

describe('parseResourceAttributes', () => {
  test.each<[string | undefined, Record<string, string>, string[]?]>([
    [undefined, {}],
    ['', {}],
    ['a=b', { a: 'b' }],
    [' a = b , c=d=e ,', { a: 'b', c: 'd=e' }],
    ['a=%C3%A9,k%2Ex=1', { a: 'é', 'k.x': '1' }],
    ['a=', { a: '' }],
    ['a=b,broken,c=d', { a: 'b', c: 'd' }, ['member 2 has no =']],
    ['a=b,=c', { a: 'b' }, ['member 2 has no valid key']],
    ['a=b,%zz=c', { a: 'b' }, ['member 2 has no valid key']],
    [
      'a=%zz,,b=%ff,c=d',
      { c: 'd' },
      ['member 1 (a) is not percent-encoded UTF-8', 'member 3 (b) is not percent-encoded UTF-8'],
    ],
    [`${'k'.repeat(128)}=1,a=b`, { a: 'b' }, ['member 1 has a key of more than 127 bytes']],
    [`a=${'x'.repeat(20_000)}`, {}, ['longer than 16384 characters']],
  ])('%j', (text, attributes, faults = []) => {
    expect(parseResourceAttributes(text)).toEqual({ attributes, faults });
  });

  test('a key that means something to JavaScript', () => {
    expect(Object.entries(parseResourceAttributes('__proto__=x').attributes)).toEqual([['__proto__', 'x']]);
  });
});

test('CLK_TCK is what /proc/PID/stat is read with', () => {
  expect(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).trim()).toBe('100');
});
