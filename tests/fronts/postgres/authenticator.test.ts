import { describe, expect, test } from 'vitest';
import { Authenticator } from '../../../src/fronts/postgres/authenticator.ts';
import { LockstepError } from '../../../src/base/index.ts';

const local = { address: '127.0.0.1' };

function refusalOf(act: () => unknown): LockstepError {
  try {
    act();
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('without any password', () => {
  const options = { clusterUser: { name: 'app' }, users: [] };

  test.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
    'a client from %s is let in as the cluster user',
    async (address) => {
      const authenticator = await Authenticator.create(options);
      expect(authenticator.admit('app', { address })).toEqual({
        kind: 'trusted',
        user: { name: 'app', password: undefined, isClusterUser: true },
      });
    },
  );

  test.each(['10.0.0.1', '::2', '::ffff:10.0.0.1', '1127.0.0.1', 'fe80::127.0.0.1', undefined])(
    'a client from %s is refused, and told what to configure',
    async (address) => {
      const authenticator = await Authenticator.create(options);
      const refusal = refusalOf(() => authenticator.admit('app', { address }));
      expect(refusal).toMatchObject({ sqlState: '28000', hint: expect.stringContaining('password') });
    },
  );

  test('a local client is refused under any other name, and told the right one', async () => {
    const authenticator = await Authenticator.create(options);
    expect(refusalOf(() => authenticator.admit('postgres', local))).toMatchObject({
      sqlState: '28000',
      hint: expect.stringContaining('"app"'),
    });
  });
});

describe('with passwords', () => {
  test('everyone has to prove one, wherever they come from, known or not', async () => {
    const authenticator = await Authenticator.create({
      clusterUser: { name: 'app', password: 'x' },
      users: [],
    });
    for (const name of ['app', 'stranger'])
      expect(authenticator.admit(name, local).kind).toBe('prove-password');
  });

  test('a cluster user without a password is not let in once other users have one', async () => {
    const authenticator = await Authenticator.create({
      clusterUser: { name: 'app' },
      users: [{ name: 'reader', password: 'x' }],
    });
    const admission = authenticator.admit('app', local);
    expect(admission.kind === 'prove-password' && refusalOf(admission.proven).sqlState).toBe('28P01');
  });

  test('a stranger looks like a user: the same salt each time, and as many rounds', async () => {
    const authenticator = await Authenticator.create({
      clusterUser: { name: 'app', password: 'x' },
      users: [],
    });
    const challenge = (name: string) => {
      const admission = authenticator.admit(name, local);
      if (admission.kind !== 'prove-password') throw new Error('no proof was asked for');
      return { salt: admission.verifier.salt.toString('hex'), rounds: admission.verifier.iterations };
    };
    expect(challenge('stranger')).toEqual(challenge('stranger'));
    expect(challenge('stranger').salt).not.toBe(challenge('other').salt);
    expect(challenge('stranger').rounds).toBe(challenge('app').rounds);
    expect(challenge('stranger').salt).toHaveLength(challenge('app').salt.length);
  });
});
