/** What becomes of requests whose answers stay away, by what the member says of them when it is asked. */

import { expect, test } from 'vitest';
import type { Clock } from '../../src/base/index.ts';
import { AnswerWatch } from '../../src/cluster/sessions/answer-watch.ts';
import type { MemberUser, Unanswered } from '../../src/cluster/world.ts';
import { MemberError } from '../../src/dialects/contract.ts';
import type { Blame, Member, SessionLink } from '../../src/dialects/contract.ts';

const settings = { afterMs: 1_000, everyMs: 500, askMs: 100, outageMs: 60_000 };
const full = (blame: Blame): Promise<never> => Promise.reject(new MemberError('a', blame, 'cannot connect'));

interface Watched {
  /** What the member says, from this moment on. */
  says: (links: readonly SessionLink[]) => Promise<ReadonlySet<SessionLink>>;
  readonly untilMs: (ms: number) => Promise<string | undefined>;
}

/** One request, asked at the beginning of a member that is well. Resolves to how it ended by then. */
function watched(memberId: string, says: Watched['says']): Watched {
  let now = 0;
  let timers: { readonly at: number; readonly call: () => void }[] = [];
  const clock: Clock = {
    monotonicMs: () => now,
    wallTime: () => new Date(now),
    after: (ms, call) => {
      const timer = { at: now + ms, call };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  let ended: string | undefined;
  const link = { memberId, close: (why: string) => (ended ??= why) } as unknown as SessionLink;
  const unanswered: Unanswered = { link, sinceMs: 0 };
  const user: MemberUser = {
    inTransaction: false,
    get unanswered() {
      return ended === undefined ? unanswered : undefined;
    },
    abandon: () => undefined,
    outage: () => (ended ??= 'outage'),
  };
  const it: Watched = {
    says,
    untilMs: async (ms) => {
      while (now < ms) {
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
        const next = timers.toSorted((one, other) => one.at - other.at)[0];
        if (next === undefined) throw new Error('nobody looks any more');
        now = next.at;
        timers = timers.filter((other) => other !== next);
        next.call();
      }
      return ended;
    },
  };
  const member = { working: (links: readonly SessionLink[]) => it.says(links) } as unknown as Member;
  new AnswerWatch({
    clock,
    users: [user],
    member: () => member,
    primaryId: () => 'primary',
    settings: () => settings,
  }).start();
  return it;
}

const nobodyWorks = () => Promise.resolve(new Set<SessionLink>());
const worksAtAll = (links: readonly SessionLink[]) => Promise.resolve(new Set(links));
const saysNothing = () => new Promise<never>(() => undefined);

test.each(['replica', 'primary'])('answers: one that a %s has given, twice found, is lost', async (id) => {
  expect(await watched(id, nobodyWorks).untilMs(900)).toBeUndefined();
  expect(await watched(id, nobodyWorks).untilMs(3_000)).toMatch(/has finished what it was asked for/);
});

test.each(['replica', 'primary'])('answers: one that a %s works at is waited for', async (id) => {
  expect(await watched(id, worksAtAll).untilMs(200_000)).toBeUndefined();
});

test('answers: a replica that does not say what it does is waited for a while, and then another is asked', async () => {
  const one = watched('replica', saysNothing);
  expect(await one.untilMs(9_000)).toBeUndefined();
  expect(await one.untilMs(12_000)).toMatch(/does not say whether it is at work/);
  expect(await watched('replica', () => full('gone')).untilMs(12_000)).toMatch(/does not say/);
});

test('answers: a primary that does not say what it does is an outage in the end', async () => {
  const one = watched('primary', saysNothing);
  expect(await one.untilMs(59_000)).toBeUndefined();
  expect(await one.untilMs(63_000)).toBe('outage');
});

test.each(['replica', 'primary'])(
  'answers: a %s all of whose connections are taken is at work',
  async (id) => {
    expect(await watched(id, () => full('retry')).untilMs(200_000)).toBeUndefined();
  },
);

test('answers: long work is not ended because a primary could once not be asked', async () => {
  const one = watched('primary', worksAtAll);
  await one.untilMs(600_000);
  one.says = saysNothing;
  expect(await one.untilMs(630_000)).toBeUndefined();
  one.says = worksAtAll;
  expect(await one.untilMs(700_000)).toBeUndefined();
  one.says = saysNothing;
  expect(await one.untilMs(765_000)).toBe('outage');
});
