/** What a session does with its connections, and what it remembers of their answers; the cluster and its members are stand-ins. */

import { describe, expect, test } from 'vitest';
import { deferred } from '../../src/base/index.ts';
import type { Cluster } from '../../src/cluster/cluster.ts';
import type { ReadPlace } from '../../src/cluster/reads/read-place.ts';
import { nobody } from '../../src/cluster/sessions/held-answer.ts';
import { RequestRunner } from '../../src/cluster/sessions/request-runner.ts';
import { SessionLinks } from '../../src/cluster/sessions/session-links.ts';
import { SessionSettings } from '../../src/cluster/sessions/session-settings.ts';
import { MemberError } from '../../src/dialects/contract.ts';
import type { Member, SessionLink, SessionListener } from '../../src/dialects/contract.ts';

const identity = { user: 'app' } as never;

class StandInLink {
  readonly memberId = 'b';
  lost: MemberError | undefined;
  closed = false;

  close(): void {
    this.closed = true;
  }
}

function linksTo(state: { active: boolean }) {
  const link = new StandInLink();
  const opened = deferred<SessionLink>();
  let listener: SessionListener | undefined;
  const member = {
    id: 'b',
    openSession: (_: unknown, heard: SessionListener) => {
      listener = heard;
      return opened.promise;
    },
  } as unknown as Member;
  const cluster = {
    primary: { id: 'a' },
    membership: { entry: () => ({ state: state.active ? 'active' : 'inactive' }) },
  } as unknown as Cluster;
  const lost: string[] = [];
  const links = new SessionLinks(cluster, {
    identity,
    outageMs: 1000,
    unasked: () => undefined,
    lost: (_, error) => lost.push(error.message),
    primaryMoved: () => undefined,
  });
  const finish = (): void => opened.resolve(link as unknown as SessionLink);
  const breaks = (): void => listener?.lost(new MemberError('b', 'gone', 'it broke'));
  return { links, link, member, finish, breaks, lost };
}

describe('sessions: connections', () => {
  test('one that is made while its member is taken out is not used', async () => {
    const state = { active: true };
    const { links, link, member, finish } = linksTo(state);
    const made = links.to(member);
    state.active = false;
    finish();
    await expect(made).rejects.toMatchObject({ blame: 'gone', memberId: 'b' });
    expect(link.closed).toBe(true);
    expect([...links.all()]).toEqual([]);
  });

  test('one that is made while the session ends is closed', async () => {
    const { links, link, member, finish } = linksTo({ active: true });
    const made = links.to(member);
    links.close();
    finish();
    await expect(made).rejects.toThrow('the session was closed');
    expect(link.closed).toBe(true);
  });

  test('one that breaks is told once, and one that was dropped before is not', async () => {
    const first = linksTo({ active: true });
    first.finish();
    await first.links.to(first.member);
    first.breaks();
    first.breaks();
    expect(first.lost).toEqual(['it broke']);
    const second = linksTo({ active: true });
    second.finish();
    await second.links.to(second.member);
    expect(second.links.drop('b')).toBe(true);
    second.breaks();
    expect(second.lost).toEqual([]);
  });
});

describe('sessions: what was shown', () => {
  const load = { started: () => undefined, ended: () => undefined };

  function runnerOn(places: ReadPlace[]): RequestRunner {
    const cluster = {
      load: () => load,
      world: { clock: { monotonicMs: () => 0 } },
      visibleCsn: () => 9,
      chooseReader: (place: ReadPlace) => void places.push(place),
    } as unknown as Cluster;
    return new RequestRunner(cluster, new SessionSettings());
  }

  const behind = { id: 'b', weight: 1, appliedCsn: 8, inFlight: 0, latencyMs: 1, homes: 0 };

  test.each([
    ['answered', () => Promise.resolve({ failed: false })],
    ['cut short', () => Promise.reject(new MemberError('a', 'gone', 'it broke'))],
  ])('is not taken back by a member that lacks it, also when the request was %s', async (_, run) => {
    const places: ReadPlace[] = [];
    const runner = runnerOn(places);
    const link = { memberId: 'a', run } as unknown as SessionLink;
    await runner
      .run(link, undefined, nobody, { begin: undefined, mayBeUnsuitable: 'any' })
      .catch(() => undefined);
    runner.chooseReader(new Set());
    expect(places[0]?.allows(behind)).toBe(false);
    expect(places[0]?.allows({ ...behind, appliedCsn: 9 })).toBe(true);
  });

  test('waits for a commit under way as long as that may take to be settled, which begins at its deadline', async () => {
    const due: { ms: number; fire: () => void }[] = [];
    const after = (ms: number, fire: () => void): (() => void) => {
      due.push({ ms, fire });
      return () => undefined;
    };
    const commit = deferred<boolean>();
    const cluster = {
      primary: { id: 'a' },
      order: { sure: () => commit.promise },
      settings: { commitMs: 1000, outageMs: 60_000 },
      world: { clock: { monotonicMs: () => 0, after } },
    } as unknown as Cluster;
    const runner = new RequestRunner(cluster, new SessionSettings());
    const unsure = runner.unsure({ memberId: 'a' } as unknown as SessionLink);
    for (const { fire } of due.filter(({ ms }) => ms <= 5000)) fire();
    commit.resolve(true);
    await expect(unsure).resolves.toBeUndefined();
    expect(due.map(({ ms }) => ms)).toEqual([60_000]);
  });
});
