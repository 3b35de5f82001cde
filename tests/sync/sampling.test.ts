/** Samples that say what the test wants: when they are a suspicion, and when they are not. */

import { describe, expect, test } from 'vitest';
import { Sampling } from '../../src/cluster/verify/sampling.ts';
import type { SamplingParts } from '../../src/cluster/verify/sampling.ts';
import type { Clock } from '../../src/base/index.ts';
import { waitFor } from '../support/wait-for.ts';

/** What one look meets: digests in order, and whether commits are under way. */
interface Look {
  readonly digests: readonly string[];
  readonly busy?: boolean;
}

async function after(looks: readonly Look[], confirmed = true) {
  let now = 0;
  const timers: (() => void)[] = [];
  const clock: Clock = {
    monotonicMs: () => now,
    wallTime: () => new Date(now),
    after: (ms, callback) => {
      timers.push(() => {
        now += ms;
        callback();
      });
      return () => undefined;
    },
  };
  const asked: string[] = [];
  const picked: string[] = [];
  let at = -1;
  let place = 0;
  const parts = {
    settings: { verification: { sampleMs: 1000 } },
    world: { clock, random: () => 0.5, raise: () => undefined },
    membership: { active: ['db1', 'db2'] },
    roster: { member: (id: string) => ({ id }), load: () => ({ suspect: false }) },
    order: {
      get waiting() {
        return looks[at]?.busy === true ? 1 : 0;
      },
      get lastOpened() {
        return looks[at]?.busy === true ? place++ : place;
      },
    },
    data: {
      openSampler: () => ({
        pick: ({ id }: { id: string }) => {
          picked.push(id);
          return Promise.resolve({ table: 'public.t' });
        },
        digest: ({ id }: { id: string }) => Promise.resolve(looks[at]?.digests[id === 'db1' ? 0 : 1] ?? ''),
        close: () => undefined,
      }),
    },
    isContested: () => false,
    confirm: (table: string) => {
      asked.push(table);
      return Promise.resolve(confirmed);
    },
  };
  const sampling = new Sampling(parts as unknown as SamplingParts);
  sampling.start();
  for (at = 0; at < looks.length; at++) {
    timers.shift()?.();
    await waitFor(() => timers.length === 1, { what: 'the end of the look' });
  }
  sampling.stop();
  return { asked, picked };
}

const same = { digests: ['a', 'a'] };
const apart = { digests: ['a', 'b'] };
const moving = { ...apart, busy: true };

describe('sampling', () => {
  test('sampling: rows that are equal say nothing, and each member is asked for some in turn', async () => {
    expect(await after([same, { ...same, busy: true }, same])).toEqual({
      asked: [],
      picked: ['db1', 'db2', 'db1'],
    });
  });

  test('sampling: what looks different with nothing under way is verified', async () => {
    expect((await after([apart])).asked).toEqual(['public.t']);
  });

  test('sampling: under commits it is looked at again, and equal once is equal', async () => {
    expect(await after([moving, moving, same, moving])).toEqual({ asked: [], picked: ['db1', 'db2'] });
    expect((await after([moving, moving, moving, moving, moving])).asked).toEqual(['public.t']);
  });

  test('sampling: a table that was found equal is not suspected again for a while; one that differs is', async () => {
    expect((await after([apart, apart, apart])).asked).toEqual(['public.t']);
    expect((await after([apart, apart], false)).asked).toEqual(['public.t', 'public.t']);
  });
});
