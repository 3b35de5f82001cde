/** pg_dump and pg_restore through the node: what comes out is what a server gives, and what goes in is on every member. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareMembers, describeDifferences } from '../../src/testing/index.ts';
import { runTool, startNode, whyNoTool } from '../support/index.ts';
import type { ToolResult } from '../support/index.ts';
import { richSchema } from './a-rich-schema.ts';
import { askers, withOneAndThree } from './one-and-three.ts';

/** A busy machine is no failure of a member: who is taken out lacks what is restored, and that says nothing about dumps. */
const config = { deadlines: { commitMs: 30_000 }, probe: { timeoutMs: 30_000 } };
/** There are a hundred schema statements to be carried through, each on all members. */
const restoreMs = 180_000;

const servers = withOneAndThree(config);
const missing = whyNoTool('pg_dump') ?? whyNoTool('pg_restore') ?? whyNoTool('psql');
const ok = { status: 0, stderr: '' };
let dir = '';

beforeAll(async () => {
  if (missing !== undefined) return;
  dir = await mkdtemp(join(tmpdir(), 'lockstep-dumps-'));
  for (const url of [servers.one.url, servers.node.url])
    expect(await load(url, richSchema)).toMatchObject(ok);
}, restoreMs);

afterAll(async () => {
  if (dir !== '') await rm(dir, { recursive: true, force: true });
});

function load(url: string, sql: string, ...words: string[]): Promise<ToolResult> {
  return runTool('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...words, '-d', url], sql);
}

/** Without Lockstep's own, and the word that pg_dump makes up anew each time. */
function comparable(dump: string): string[] {
  return dump
    .split(/\n--\n-- Name: /)
    .filter((object) => !/^[^\n]*[ !]lockstep_|^lockstep_/.test(object))
    .join('\n')
    .split('\n')
    .filter((line) => !/^(\\(un)?restrict |--)/.test(line) && line !== '');
}

test.skipIf(missing)('a dump says what a dump of one server says', async () => {
  const one = await runTool('pg_dump', ['-d', servers.one.url]);
  const three = await runTool('pg_dump', ['-N', 'lockstep', '-d', servers.node.url]);
  expect(three).toMatchObject(ok);
  expect(comparable(three.stdout)).toEqual(comparable(one.stdout));
});

test.skipIf(missing)('a dump of the control schema is refused, with what to do', async () => {
  const { status, stderr } = await runTool('pg_dump', ['-d', servers.node.url]);
  expect(status).toBe(1);
  expect(stderr).toContain('--exclude-schema=lockstep');
});

/** Ways to take a dump through one node and to restore it through another. */
const ways: Readonly<Record<string, (from: string, to: string) => Promise<readonly ToolResult[]>>> = {
  'as text, in one transaction': async (from, to) => {
    const dump = await runTool('pg_dump', ['-N', 'lockstep', '-d', from]);
    return [dump, await load(to, dump.stdout, '-1')];
  },
  'as an archive, with INSERTs in a serializable snapshot': async (from, to) => {
    const file = join(dir, 'archive');
    const words = ['-N', 'lockstep', '-Fc', '--rows-per-insert=10', '--serializable-deferrable', '-f', file];
    const dump = await runTool('pg_dump', [...words, '-d', from]);
    return [dump, await runTool('pg_restore', ['-e', '-d', to, file])];
  },
  'as a directory, by several connections at once': async (from, to) => {
    const folder = join(dir, 'directory');
    const dump = await runTool('pg_dump', ['-N', 'lockstep', '-Fd', '-j', '3', '-f', folder, '-d', from]);
    return [dump, await runTool('pg_restore', ['-e', '-j', '3', '-d', to, folder])];
  },
};

test.skipIf(missing).for(Object.entries(ways))(
  'dumped and restored %s, every member of the new cluster has it all',
  { timeout: restoreMs },
  async ([, way], { expect: expectHere }) => {
    const database = `restored_${Object.values(ways).indexOf(way)}`;
    const urls = servers.members.map((member) => member.urlOf(database));
    for (const member of servers.members) await member.query(`CREATE DATABASE ${database}`);
    const members = servers.members.map((member, index) => ({
      id: `db${index + 1}`,
      url: `postgres://127.0.0.1:${member.port}/${database}`,
    }));
    const fresh = await startNode(servers.members, { members, config });
    try {
      const to = (urls[0] as string).replace(/:\d+\//, `:${fresh.port}/`);
      for (const result of await way(servers.node.url, to)) expectHere(result).toMatchObject(ok);
      const out = (await fresh.node.status()).members.filter(({ active }) => !active);
      expectHere(out).toEqual([]);
      const source = (sql: string) => servers.one.query(sql);
      const differences = await compareMembers({ source, ...askers(servers.members, database) });
      expectHere(describeDifferences(differences)).toBe('');
    } finally {
      await fresh.stop();
    }
  },
);
