/**
 * Whatever a client sends, it hears what a single server would have said: every conversation is held with a node over
 * two members and with a plain database, and both are written down and compared.
 */

import { beforeAll, describe as group, expect, test } from 'vitest';
import { frontend } from '../../../src/wire/postgres/index.ts';
import { connect, withNode, withServers } from '../../support/index.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { conversations } from './conversations.ts';
import type { Step } from './conversations.ts';
import { encodings } from './encodings.ts';
import { pipelines } from './pipelines.ts';

const servers = withServers(2);
const node = withNode(servers);

beforeAll(async () => {
  const admin = await connect(servers.server(0).url);
  await admin.query('CREATE DATABASE plain');
});

for (const [family, cases] of Object.entries({ ...conversations, ...pipelines, ...encodings })) {
  group(`conversation: ${family}`, () => {
    for (const [name, steps] of Object.entries(cases)) {
      test(name, async () => {
        const [heard, expected] = await Promise.all([
          hold(node.url, steps),
          hold(servers.server(0).urlOf('plain'), steps),
        ]);
        expect(heard).toEqual(expected);
      });
    }
  });
}

async function hold(url: string, steps: readonly Step[]): Promise<string[][]> {
  const client = await ProtocolClient.connect(url, { deadlineMs: 20_000 });
  const heard: string[][] = [];
  try {
    for (const sql of [
      'DROP SCHEMA IF EXISTS talk CASCADE',
      'CREATE SCHEMA talk',
      'SET search_path = talk',
      'CREATE TABLE t (id int PRIMARY KEY, v text)',
    ])
      expect((await client.query(sql)).filter((said) => said.startsWith('E'))).toEqual([]);
    for (const step of steps) {
      if (typeof step === 'string') {
        heard.push(inOrder(await client.query(step)));
        continue;
      }
      const { send, until } = Array.isArray(step)
        ? { send: step as readonly Buffer[], until: undefined }
        : (step as Exclude<Step, string | readonly Buffer[]>);
      client.send(...send);
      if (until !== undefined) {
        heard.push((await client.until(until)).map(({ type }) => type));
        continue;
      }
      const owed = send.filter((frame) => frame[0] === 0x51 || frame[0] === 0x53).length;
      for (let i = 0; i < owed; i++) heard.push(inOrder(await client.answer()));
    }
    heard.push(await client.rest());
    client.send(frontend.query('ROLLBACK'));
    await client.until('Z');
    heard.push(await client.query('SELECT id, v FROM talk.t ORDER BY id'));
  } finally {
    client.destroy();
  }
  return heard;
}

/** A server may tell of changed parameters and of notifications at any time; here they come first. */
function inOrder(heard: readonly string[]): string[] {
  const unasked = (said: string): boolean => /^[SA] /.test(said);
  return [...heard.filter(unasked).toSorted(), ...heard.filter((said) => !unasked(said))];
}
