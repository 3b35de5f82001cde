/** Whatever a member says, whoever asked it gets an answer or an error that says so, and nothing stays behind. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backend, TransactionStatus } from '../../src/wire/postgres/index.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FalseMember } from './false-member.ts';
import type { Lies } from './false-member.ts';
import { fuzz, fuzzTimeoutMs } from './fuzz-run.ts';
import { memberAt, memberScripts } from './member-scripts.ts';
import type { Call } from './member-scripts.ts';
import { cuts, frame, mutations } from './mutations.ts';
import type { RecordedSession } from './recorded.ts';
import { recordMembers } from './record-members.ts';

const fields = { severity: 'ERROR', code: '22012', message: 'division by zero' };

/** Right by themselves. */
const outOfPlace: readonly Buffer[] = [
  backend.readyForQuery(TransactionStatus.Idle),
  backend.readyForQuery(TransactionStatus.Open),
  backend.readyForQuery(TransactionStatus.Failed),
  frame(0x5a, Buffer.from('X')),
  backend.commandComplete('SELECT 1'),
  backend.commandComplete('COMMIT'),
  backend.commandComplete('ROLLBACK'),
  backend.commandComplete('INSERT 0 99999999999999999999'),
  backend.dataRow([Buffer.from('1')]),
  backend.dataRow([null]),
  backend.dataRow([]),
  backend.rowDescription([{ name: 'one', typeOid: 23 }]),
  backend.errorResponse(fields),
  backend.errorResponse({ ...fields, severity: 'FATAL', code: '57P01' }),
  backend.errorResponse({ ...fields, severity: 'PANIC', code: 'XX000' }),
  backend.noticeResponse({ ...fields, severity: 'NOTICE' }),
  backend.parameterStatus('client_encoding', 'SJIS'),
  backend.notificationResponse({ pid: 1, channel: 'c', payload: 'p' }),
  backend.parameterDescription([23, 99_999]),
  backend.backendKeyData(1, Buffer.alloc(4)),
  backend.authenticationOk,
  backend.authenticationSasl(['SCRAM-SHA-256']),
  backend.authenticationSaslContinue(Buffer.from('r=x,s=eA==,i=1')),
  backend.authenticationSaslFinal(Buffer.from('v=eA==')),
  backend.bindComplete,
  backend.parseComplete,
  backend.closeComplete,
  backend.noData,
  frame(0x47, Buffer.from([0, 0, 1, 0, 0])),
  frame(0x48, Buffer.from([0, 0, 1, 0, 0])),
  frame(0x57, Buffer.from([0, 0, 0])),
  frame(0x63, Buffer.alloc(0)),
  frame(0x64, Buffer.from('1\tone\n')),
  frame(0x49, Buffer.alloc(0)),
  frame(0x73, Buffer.alloc(0)),
  frame(0x54, Buffer.from([0xff, 0xff, 0x61])),
  frame(0x44, Buffer.from([0xff, 0xff, 0x7f, 0xff, 0xff, 0xff])),
  backend.errorResponse({ ...fields, message: 'e'.repeat(300_000) }),
];

interface Case {
  readonly script: string;
  readonly lies: Lies;
}

/** `turns`: how many the script has. */
function casesOf(script: string, turns: number): fc.Arbitrary<Case> {
  return fc.record({
    script: fc.constant(script),
    lies: fc.record({
      turn: fc.nat({ max: turns - 1 }),
      wrong: mutations(outOfPlace),
      cuts,
      afterwards: fc.constantFrom('goes on', 'goes on', 'closes', 'tears', 'falls silent'),
      notices: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, fc.constant(2000)),
    }),
  });
}

const share = { share: 0.3 };

/** Silence this long is the end of it: then the member is gone. */
const quietMs = 10;

/** And then nobody waits any more. */
const settledMs = 10_000;

describe('a member that says anything', () => {
  const servers = withServers(1);
  /** What a real one has said. */
  let corpus: ReadonlyMap<string, RecordedSession>;
  /** One for each of those that ask at the same time. */
  let lanes: readonly FalseMember[];
  let directory: string;

  beforeAll(async () => {
    lanes = await Promise.all([1, 2, 3, 4].map(() => FalseMember.listen()));
    directory = mkdtempSync(join(tmpdir(), 'lockstep-fuzz-'));
    corpus = await recordMembers(servers.server(0), directory);
  });

  afterAll(() => {
    for (const member of lanes) member.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function settled<T>(member: FalseMember, what: string, promise: Promise<T>): Promise<T | undefined> {
    const outcomes: ({ readonly value: T } | { readonly error: unknown })[] = [];
    const end = promise.then(
      (value) => outcomes.push({ value }),
      (error: unknown) => outcomes.push({ error }),
    );
    for (let heard = -1; outcomes.length === 0 && heard !== member.activity; ) {
      heard = member.activity;
      await Promise.race([end, pause(quietMs)]);
    }
    if (outcomes.length === 0) member.hangUp();
    await waitFor(() => outcomes.length > 0, {
      what: `${what} to end, now that its member is gone`,
      timeoutMs: settledMs,
    });
    // Whatever the error, who asked takes it for the member's.
    const [outcome] = outcomes;
    return outcome !== undefined && 'value' in outcome ? outcome.value : undefined;
  }

  test('says in every answer what the corpus says', async () => {
    const [member] = lanes as [FalseMember];
    const failed: string[] = [];
    for (const [name, script] of Object.entries(memberScripts)) {
      member.play(corpus.get(name) ?? [], {
        turn: -1,
        wrong: [],
        cuts: [1],
        afterwards: 'goes on',
        notices: 0,
      });
      const { user, database } = servers.server(0);
      const place = memberAt({ port: member.port, user, database, directory });
      const call: Call = async (what, work) => {
        try {
          return await work();
        } catch (error) {
          failed.push(`${name}: ${what}: ${String(error)}`);
          return undefined;
        }
      };
      await script(place, call);
      place.close();
    }
    // What a real server refuses as well, and the setting that it does not take.
    expect(failed).toEqual([
      expect.stringContaining('it could not be prepared for this session'),
      expect.stringContaining('duplicate key value'),
      expect.stringContaining('term 1 is not higher'),
    ]);
  });

  test('is answered by an error, or believed, and never waited for', {
    timeout: fuzzTimeoutMs(share),
  }, async () => {
    const cases = fc.oneof(
      ...Array.from(corpus, ([script, connections]) => casesOf(script, connections.flat().length)),
    );
    const asked = lanes.map((member, lane) =>
      fuzz(`false member ${lane}`, cases, { ...share, lane }, ({ script, lies }) =>
        converse(member, script, lies),
      ),
    );
    await Promise.all(asked);
  });

  async function converse(member: FalseMember, script: string, lies: Lies): Promise<void> {
    member.play(corpus.get(script) ?? [], lies);
    const { user, database } = servers.server(0);
    const place = memberAt({ port: member.port, user, database, directory });
    await memberScripts[script]?.(place, (what, work) => settled(member, what, work()));
    place.close();
    member.hangUp();
    await waitFor(() => member.open === 0, { what: 'the connections to be given up' });
  }
});
