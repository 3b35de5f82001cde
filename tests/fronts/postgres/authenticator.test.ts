import { describe, expect, test } from 'vitest';
import { Authenticator } from '../../../src/fronts/postgres/authenticator.ts';
import type { Admission, AuthenticatorOptions } from '../../../src/fronts/postgres/authenticator.ts';
import type { ClientUser } from '../../../src/fronts/postgres/authenticated-client.ts';
import { LockstepError } from '../../../src/base/index.ts';
import { formatVerifier, makeVerifier, ScramClient, ScramServer } from '../../../src/wire/postgres/index.ts';
import { trusting } from './listening.ts';

const local = { address: '127.0.0.1', database: 'orders' };

async function refusalOf(work: Promise<unknown>): Promise<LockstepError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Logs in with this password. */
async function prove(admission: Admission, password: string): Promise<ClientUser> {
  if (admission.kind !== 'prove-password') throw new Error('no proof was asked for');
  const client = new ScramClient({ password, mechanisms: ['SCRAM-SHA-256'] });
  const server = new ScramServer({ verifier: admission.verifier, mechanism: client.mechanism });
  client.finish(server.finish(await client.respond(server.first(client.first()))));
  return admission.proven(server.keys);
}

async function logIn(
  options: Partial<AuthenticatorOptions>,
  name: string,
  password: string,
  origin = local,
): Promise<ClientUser> {
  const authenticator = await Authenticator.create({
    clusterUser: 'keeper',
    clients: [],
    operators: [],
    ...options,
  });
  return await prove(await authenticator.admit(name, origin), password);
}

const kept = async (password: string): Promise<NonNullable<AuthenticatorOptions['askMembers']>> => {
  const verifier = formatVerifier(await makeVerifier(password, { iterations: 5000 }));
  return (names) => Promise.resolve(new Map(names.map((name) => [name, verifier])));
};

describe('without any password', () => {
  test.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
    'a client from %s is let in as who is listed',
    async (address) => {
      const authenticator = await Authenticator.create(trusting);
      expect(await authenticator.admit('app', { ...local, address })).toEqual({
        kind: 'trusted',
        user: {
          name: 'app',
          password: undefined,
          isClusterUser: true,
          isClient: true,
          isOperator: false,
        },
      });
    },
  );

  test.each(['10.0.0.1', '::2', '::ffff:10.0.0.1', '1127.0.0.1', 'fe80::127.0.0.1', undefined])(
    'a client from %s is refused, and told what to configure',
    async (address) => {
      const authenticator = await Authenticator.create(trusting);
      const refusal = await refusalOf(authenticator.admit('app', { ...local, address }));
      expect(refusal).toMatchObject({ sqlState: '28000', hint: expect.stringContaining('password') });
    },
  );

  test('a local client is refused under any other name, and told the right one', async () => {
    const authenticator = await Authenticator.create(trusting);
    expect(await refusalOf(authenticator.admit('postgres', local))).toMatchObject({
      sqlState: '28000',
      hint: expect.stringContaining('"app"'),
    });
  });

  test('where another has a password, whoever is trusted on this machine is a stranger from elsewhere', async () => {
    const clients = [...trusting.clients, { name: 'reader', password: 'x' }];
    const authenticator = await Authenticator.create({ ...trusting, clients });
    expect((await authenticator.admit('app', local)).kind).toBe('trusted');
    const remote = await authenticator.admit('app', { ...local, address: '10.0.0.1' });
    expect((await refusalOf(prove(remote, 'x'))).sqlState).toBe('28P01');
  });
});

describe('with passwords', () => {
  const app = { name: 'app', password: 'x' };

  test('everyone has to prove one, wherever they come from, known or not', async () => {
    const authenticator = await Authenticator.create({ clusterUser: 'app', clients: [app], operators: [] });
    for (const name of ['app', 'stranger'])
      expect((await authenticator.admit(name, local)).kind).toBe('prove-password');
  });

  test('the role of the cluster is a stranger while it is not listed', async () => {
    expect((await refusalOf(logIn({ clients: [app] }, 'keeper', 'x'))).sqlState).toBe('28P01');
    const clients = [app, { name: 'keeper', password: 'y' }];
    expect(await logIn({ clients }, 'keeper', 'y')).toMatchObject({ isClusterUser: true, isClient: true });
  });

  test('who may command Lockstep may not work on the data for that, nor the reverse', async () => {
    const options = { clients: [app], operators: [{ name: 'chief', password: 'z' }, { name: 'app' }] };
    expect(await logIn(options, 'chief', 'z')).toMatchObject({ isClient: false, isOperator: true });
    expect(await logIn(options, 'app', 'x')).toMatchObject({ isClient: true, isOperator: true });
    expect(await logIn({ clients: [app] }, 'app', 'x')).toMatchObject({ isOperator: false });
  });

  test('the operator on this machine is known in one database, and from a loopback address only', async () => {
    const localOperator = { name: 'operator', password: 'token', database: 'lockstep' };
    const there = { ...local, database: 'lockstep' };
    expect(await logIn({ localOperator }, 'operator', 'token', there)).toMatchObject({
      isClient: false,
      isOperator: true,
    });
    for (const origin of [local, { ...there, address: '10.0.0.1' }])
      expect((await refusalOf(logIn({ localOperator }, 'operator', 'token', origin))).sqlState).toBe('28P01');
  });

  test('a stranger looks like a user: the same salt each time, and as many rounds', async () => {
    const challenges = async (options: Partial<AuthenticatorOptions>) => {
      const authenticator = await Authenticator.create({
        clusterUser: 'keeper',
        clients: [],
        operators: [],
        ...options,
      });
      return async (name: string) => {
        const admission = await authenticator.admit(name, local);
        if (admission.kind !== 'prove-password') throw new Error('no proof was asked for');
        return { salt: admission.verifier.salt.toString('hex'), rounds: admission.verifier.iterations };
      };
    };
    for (const options of [
      { clients: [app], operators: [] },
      { clients: [{ name: 'app' }], askMembers: await kept('x') },
    ] as const) {
      const challenge = await challenges(options);
      const [stranger, again, other, known] = await Promise.all(
        ['stranger', 'stranger', 'other', 'app'].map(challenge),
      );
      expect(again).toEqual(stranger);
      expect(stranger?.salt).not.toBe(other?.salt);
      expect(stranger?.rounds).toBe(known?.rounds);
      expect(stranger?.salt).toHaveLength(known?.salt.length ?? 0);
    }
  });
});

describe('with passwords that the members keep', () => {
  test('the proof is checked by what they keep, and shows what the members are shown', async () => {
    const options = { clients: [{ name: 'app' }], askMembers: await kept('x') };
    const { password } = await logIn(options, 'app', 'x');
    expect(password).toMatchObject({ iterations: 5000, clientKey: expect.any(Buffer) });
    expect((await refusalOf(logIn(options, 'app', 'y'))).code).toBe('wire.authentication-failed');
    expect((await refusalOf(logIn(options, 'stranger', 'x'))).sqlState).toBe('28P01');
  });

  test('a verifier in the place of a password is one', async () => {
    const password = formatVerifier(await makeVerifier('x'));
    const user = await logIn({ clients: [{ name: 'app', password }] }, 'app', 'x');
    expect(user.password).toMatchObject({ clientKey: expect.any(Buffer) });
    expect((await refusalOf(logIn({ clients: [{ name: 'app', password }] }, 'app', password))).code).toBe(
      'wire.authentication-failed',
    );
  });

  test('a role that has none, or one of another kind, is a stranger', async () => {
    for (const text of ['', 'md5e8a48653851e28c69d0506508fb27fc5']) {
      const askMembers = () => Promise.resolve(new Map([['app', text]]));
      const login = logIn({ clients: [{ name: 'app' }], askMembers }, 'app', 'x');
      expect((await refusalOf(login)).code).toBe('wire.authentication-failed');
    }
  });

  test('while no member says what it keeps, who is known to the node comes in all the same', async () => {
    const askMembers = () => Promise.reject(new Error('nobody there'));
    const clients = [{ name: 'app' }, { name: 'reader', password: 'x' }];
    for (const name of ['app', 'stranger'])
      expect(await refusalOf(logIn({ clients, askMembers }, name, 'x'))).toMatchObject({
        sqlState: '57P03',
        retryable: true,
      });
    expect(await logIn({ clients, askMembers }, 'reader', 'x')).toMatchObject({ password: 'x' });
  });
});
