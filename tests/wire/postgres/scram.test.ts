import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockstepError } from '../../../src/base/index.ts';
import {
  formatVerifier,
  makeVerifier,
  md5Password,
  mockVerifier,
  parseVerifier,
  ScramClient,
  scramMechanisms,
  ScramServer,
} from '../../../src/wire/postgres/index.ts';
import type { ScramVerifier } from '../../../src/wire/postgres/index.ts';

const PLAIN = ['SCRAM-SHA-256'];

/** The exchange printed in RFC 7677, section 3. */
const RFC = {
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

function rfcClient(): ScramClient {
  return new ScramClient({ password: 'pencil', mechanisms: PLAIN, user: 'user', nonce: RFC.clientNonce });
}

async function rfcServer(): Promise<ScramServer> {
  const verifier = await makeVerifier('pencil', { salt: RFC.salt });
  return new ScramServer({ verifier, mechanism: 'SCRAM-SHA-256', nonce: RFC.serverNonce });
}

interface Login {
  readonly password: string;
  readonly verifier: ScramVerifier;
  /** The certificate that each side believes to be the server's. */
  readonly seenByClient?: Buffer;
  readonly ownOfServer?: Buffer;
  readonly offered?: readonly string[];
}

async function logIn(login: Login): Promise<string> {
  const { password, verifier, seenByClient, ownOfServer } = login;
  const mechanisms = login.offered ?? scramMechanisms(ownOfServer);
  const client = new ScramClient({ password, mechanisms, certificateHash: seenByClient });
  const server = new ScramServer({ verifier, mechanism: client.mechanism, certificateHash: ownOfServer });
  client.finish(server.finish(await client.respond(server.first(client.first()))));
  return client.mechanism;
}

const refusal = (code: string) => expect.objectContaining({ code }) as Error;

describe('scram: the vector of RFC 7677', () => {
  test('the client says what the RFC prints, and believes its server', async () => {
    const client = rfcClient();
    expect(client.first().toString()).toBe(RFC.clientFirst);
    expect((await client.respond(Buffer.from(RFC.serverFirst))).toString()).toBe(RFC.clientFinal);
    expect(() => client.finish(Buffer.from(RFC.serverFinal))).not.toThrow();
  });

  test('the server says what the RFC prints', async () => {
    const server = await rfcServer();
    expect(server.first(Buffer.from(RFC.clientFirst)).toString()).toBe(RFC.serverFirst);
    expect(server.finish(Buffer.from(RFC.clientFinal)).toString()).toBe(RFC.serverFinal);
  });
});

describe('scram: both sides together', () => {
  test('the right password is let in, any other is not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string(), async (password, other) => {
        const verifier = await makeVerifier(password, { iterations: 1 });
        await expect(logIn({ password, verifier })).resolves.toBe('SCRAM-SHA-256');
        if (other.normalize('NFKC') === password.normalize('NFKC')) return;
        await expect(logIn({ password: other, verifier })).rejects.toThrow(
          refusal('wire.authentication-failed'),
        );
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ['composed and decomposed letters', 'caf\u00e9', 'cafe\u0301', true],
    ['a ligature and its letters', '\ufb01sh', 'fish', true],
    ['a no-break space and a space', 'a\u00a0b', 'a b', true],
    ['a soft hyphen and nothing', 'a\u00adb', 'ab', true],
    ['a password with a forbidden character is taken as it is', 'a\u00aa\u0007', 'aa\u0007', false],
  ])('SASLprep: %s', async (_what, stored, typed, same) => {
    const verifier = await makeVerifier(stored, { iterations: 1 });
    const login = logIn({ password: typed, verifier });
    if (same) await expect(login).resolves.toBeDefined();
    else await expect(login).rejects.toThrow(refusal('wire.authentication-failed'));
  });

  test('the same password, salt and count are derived once', async () => {
    const verifier = await makeVerifier('slow', { iterations: 200_000 });
    const started = performance.now();
    for (let i = 0; i < 20; i++) await logIn({ password: 'slow', verifier });
    const twenty = performance.now() - started;
    const again = performance.now();
    await makeVerifier('slower', { iterations: 200_000 });
    expect(twenty).toBeLessThan(10 * (performance.now() - again));
  });
});

describe('scram: channel binding', () => {
  const certificate = createHash('sha256').update('ours').digest();
  const foreign = createHash('sha256').update('theirs').digest();

  test('with a certificate on both sides the login is bound to it', async () => {
    const verifier = await makeVerifier('secret', { iterations: 1 });
    const bound = { password: 'secret', verifier, seenByClient: certificate, ownOfServer: certificate };
    await expect(logIn(bound)).resolves.toBe('SCRAM-SHA-256-PLUS');
    await expect(logIn({ ...bound, seenByClient: foreign })).rejects.toThrow(refusal('wire.bad-scram'));
  });

  test('someone who removes the offer from the connection is found out', async () => {
    const verifier = await makeVerifier('secret', { iterations: 1 });
    const login = { password: 'secret', verifier, seenByClient: certificate, offered: PLAIN };
    await expect(logIn({ ...login, ownOfServer: certificate })).rejects.toThrow(refusal('wire.bad-scram'));
    await expect(logIn(login)).resolves.toBe('SCRAM-SHA-256');
  });

  test('a client that cannot bind is let in without', async () => {
    const verifier = await makeVerifier('secret', { iterations: 1 });
    await expect(logIn({ password: 'secret', verifier, ownOfServer: certificate })).resolves.toBe(
      'SCRAM-SHA-256',
    );
  });

  test.each(['p=tls-unique,,n=,r=abc', 'n,,n=,r=abc', 'y,,n=,r=abc'])(
    'PLUS with the header of %s is refused',
    (first) => {
      const verifier = mockVerifier('x', Buffer.from('s'));
      const server = new ScramServer({
        verifier,
        mechanism: 'SCRAM-SHA-256-PLUS',
        certificateHash: certificate,
      });
      expect(() => server.first(Buffer.from(first))).toThrow(refusal('wire.bad-scram'));
    },
  );
});

describe('scram: a client against a bad server', () => {
  const respondTo = (serverFirst: string) => rfcClient().respond(Buffer.from(serverFirst));
  const nonce = `${RFC.clientNonce}x`;

  test.each([
    ['a nonce that is not continued', `r=${RFC.clientNonce},s=AAAA,i=4096`],
    ['a nonce of its own', 'r=other,s=AAAA,i=4096'],
    ['iterations without end', `r=${nonce},s=AAAA,i=1000001`],
    ['2^31 iterations', `r=${nonce},s=AAAA,i=2147483648`],
  ])('%s is not gone along with', async (_what, serverFirst) => {
    await expect(respondTo(serverFirst)).rejects.toThrow(refusal('wire.server-not-trusted'));
  });

  test.each([
    '',
    'r=',
    `r=${nonce}`,
    `r=${nonce},s=,i=1`,
    `r=${nonce},s=A!,i=1`,
    `r=${nonce},s=AAAA,i=0`,
    'm=x,r=a',
  ])('a first message of "%s" is malformed', async (serverFirst) => {
    await expect(respondTo(serverFirst)).rejects.toThrow(refusal('wire.bad-scram'));
  });

  test.each([
    ['another signature', `v=${Buffer.alloc(32).toString('base64')}`],
    ['a short signature', 'v=AAAA'],
    ['an error', 'e=other-error'],
  ])('a server that ends with %s is not believed', async (_what, serverFinal) => {
    const client = rfcClient();
    await client.respond(Buffer.from(RFC.serverFirst));
    expect(() => client.finish(Buffer.from(serverFinal))).toThrow(refusal('wire.server-not-trusted'));
  });

  test('a server that offers nothing known is refused', () => {
    const unknown = () => new ScramClient({ password: 'x', mechanisms: ['SCRAM-SHA-1'] });
    expect(unknown).toThrow(refusal('wire.server-not-trusted'));
  });
});

describe('scram: a server against bad clients', () => {
  test.each([
    '',
    'n',
    'n,,',
    'n,,n=user',
    'n,,n=user,r=',
    'n,a=root,n=,r=abc',
    'q,,n=,r=abc',
    'n,,m=x,n=,r=abc',
    'n,,n=,r=a\0',
  ])('a first message of "%s" is refused', async (first) => {
    const server = await rfcServer();
    expect(() => server.first(Buffer.from(first))).toThrow(refusal('wire.bad-scram'));
  });

  test.each([
    ['no proof', RFC.clientFinal.replace(/,p=.*/, '')],
    ['another nonce', RFC.clientFinal.replace('r=rO', 'r=xx')],
    ['another channel', RFC.clientFinal.replace('c=biws', 'c=eSws')],
    ['a proof that is no base64', RFC.clientFinal.replace(/p=.*/, 'p=!')],
  ])('a final message with %s is malformed', async (_what, final) => {
    const server = await rfcServer();
    server.first(Buffer.from(RFC.clientFirst));
    expect(() => server.finish(Buffer.from(final))).toThrow(refusal('wire.bad-scram'));
  });

  test('a proof of the wrong length is a wrong password', async () => {
    const server = await rfcServer();
    server.first(Buffer.from(RFC.clientFirst));
    const final = Buffer.from(RFC.clientFinal.replace(/p=.*/, 'p=AAAA'));
    expect(() => server.finish(final)).toThrow(refusal('wire.authentication-failed'));
  });

  test('random bytes are refused with a LockstepError at every step', async () => {
    const verifier = await makeVerifier('pencil', { salt: RFC.salt });
    fc.assert(
      fc.property(fc.uint8Array(), (raw) => {
        const server = new ScramServer({ verifier, mechanism: 'SCRAM-SHA-256', nonce: RFC.serverNonce });
        expect(() => server.first(Buffer.from(raw))).toThrow(LockstepError);
        server.first(Buffer.from(RFC.clientFirst));
        expect(() => server.finish(Buffer.from(raw))).toThrow(LockstepError);
      }),
    );
  });

  test('a mechanism that was not offered cannot be chosen', () => {
    const verifier = mockVerifier('x', Buffer.from('s'));
    for (const mechanism of ['SCRAM-SHA-256-PLUS', 'PLAIN', '']) {
      expect(() => new ScramServer({ verifier, mechanism })).toThrow(refusal('wire.bad-scram'));
    }
  });

  test('an unknown user looks like any other and is never let in', async () => {
    const secret = Buffer.from('of this node');
    const verifier = mockVerifier('nobody', secret);
    expect(mockVerifier('nobody', secret)).toEqual(verifier);
    expect(mockVerifier('noone', secret).salt).not.toEqual(verifier.salt);
    const real = await makeVerifier('x');
    expect(formatVerifier(verifier).length).toBe(formatVerifier(real).length);
    await expect(logIn({ password: 'x', verifier })).rejects.toThrow(refusal('wire.authentication-failed'));
  });
});

describe('scram: verifiers', () => {
  test('come out of their text as they went in', async () => {
    const verifier = await makeVerifier('secret');
    expect(parseVerifier(formatVerifier(verifier))).toEqual(verifier);
  });

  test('one made by PostgreSQL lets its password in', async () => {
    const verifier = parseVerifier(
      'SCRAM-SHA-256$4096:t6fwO+pPqHIyp7ghOFB23A==$YCwROHiqW9fuoRl9XU6FLIOJtsIXCIZJjh/4sJLBMAw=:4obOQUFVpdzdNVCT7DESPzSMZm3qJCrJftz5I5IQW3g=',
    );
    expect(verifier).toBeDefined();
    await expect(
      logIn({ password: 'gehe\u00efm \ufb01', verifier: verifier as ScramVerifier }),
    ).resolves.toBeDefined();
  });

  test.each([
    '',
    'md5abc',
    'secret',
    'SCRAM-SHA-256$4096:AAAA$short:short',
    `SCRAM-SHA-256$0:AAAA$${'A'.repeat(43)}=:${'A'.repeat(43)}=`,
  ])('"%s" is none', (text) => {
    expect(parseVerifier(text)).toBeUndefined();
  });
});

test('md5: the answer is the one PostgreSQL expects', () => {
  const stored = createHash('md5').update('secretann').digest('hex');
  const salt = Buffer.from([1, 2, 3, 4]);
  const expected = createHash('md5')
    .update(Buffer.concat([Buffer.from(stored), salt]))
    .digest('hex');
  expect(md5Password({ user: 'ann', password: 'secret', salt })).toBe(`md5${expected}`);
});
