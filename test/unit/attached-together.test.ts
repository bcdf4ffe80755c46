import { expect, test } from 'vitest';
import type { Decision, ProbeDefinition } from '../../src/contract/decision.ts';
import { attachedTogether } from '../../src/probes/attach/attachment.ts';
import { definitions } from '../../src/probes/definitions/index.ts';

const attach = (definition: ProbeDefinition) => ({ do: 'attach', definition }) as Decision;
const skip = (definition: ProbeDefinition) => ({ do: 'skip', definition }) as Decision;
const named = (name: string) => definitions.find((definition) => definition.name === name)!;

test('decisions of a group are attached as one, others alone', () => {
  const decisions = ['node/http/server', 'node/sqlite', 'node/http/client', 'node/pg'].map(named);
  const groups = attachedTogether([skip(named('postgresql')), ...decisions.map((each) => attach(each))]);
  expect(groups.map((group) => group.map(({ definition }) => definition.name))).toEqual([
    ['node/http/server', 'node/http/client', 'node/pg'],
    ['node/sqlite'],
  ]);
  expect(attachedTogether([attach(named('node/pg')), skip(named('node/http/server'))])).toHaveLength(1);
});

test('the definitions of a group have a role each, and one kind of configuration', () => {
  const members = definitions.filter(({ group }) => group?.name === 'node/sockets');
  expect(new Set(members.map(({ group }) => group!.role)).size).toBe(members.length);
  expect(new Set(members.map(({ configMap }) => configMap)).size).toBe(1);
  expect(new Set(members.map(({ group }) => group!.probesOffset)).size).toBe(1);
});
