/** Who may log in, and with which proof. Passwords are turned into verifiers once, when the node starts. */

import { randomBytes } from 'node:crypto';
import { makeVerifier, mockVerifier } from '../../wire/postgres/index.ts';
import type { ScramVerifier } from '../../wire/postgres/index.ts';
import type { ClientUser } from './authenticated-client.ts';
import { otherUserWithoutPassword, passwordFailed, remoteWithoutPassword } from './login-errors.ts';

export interface AuthenticatorOptions {
  /** The name and password that the cluster itself uses on its members. */
  readonly clusterUser: { readonly name: string; readonly password?: string | undefined } | undefined;
  /** Users besides that one. */
  readonly users: readonly { readonly name: string; readonly password: string }[];
}

/** What a client has to do to be let in. */
export type Admission =
  | { readonly kind: 'trusted'; readonly user: ClientUser }
  | {
      readonly kind: 'prove-password';
      readonly verifier: ScramVerifier;
      /** Called with a proof that holds: says who it is. */
      readonly proven: () => ClientUser;
    };

interface KnownUser {
  readonly user: ClientUser;
  readonly verifier: ScramVerifier;
}

export class Authenticator {
  readonly #clusterUser: string | undefined;
  readonly #known: ReadonlyMap<string, KnownUser>;
  /** Strangers get salts made from it: the same ones as long as the node runs, as users do. */
  readonly #mockSecret = randomBytes(32);

  /** `Authenticator.create` makes one. */
  private constructor(clusterUser: string | undefined, known: ReadonlyMap<string, KnownUser>) {
    this.#clusterUser = clusterUser;
    this.#known = known;
  }

  static async create({ clusterUser, users }: AuthenticatorOptions): Promise<Authenticator> {
    const known = users.map(({ name, password }) => know(name, password, false));
    if (clusterUser?.password !== undefined) {
      // Last, so that it wins over a user of the same name.
      known.push(know(clusterUser.name, clusterUser.password, true));
    }
    const entries = await Promise.all(known);
    return new Authenticator(clusterUser?.name, new Map(entries.map((entry) => [entry.user.name, entry])));
  }

  /** Throws an error for the client when nothing that it could do would help. */
  admit(name: string, origin: { readonly address: string | undefined }): Admission {
    if (this.#known.size === 0) return this.#admitWithoutPassword(name, origin.address);
    // Made for everyone, so that the time it takes says nothing about who exists.
    const mock = mockVerifier(name, this.#mockSecret);
    const known = this.#known.get(name);
    return {
      kind: 'prove-password',
      verifier: known?.verifier ?? mock,
      proven: () => {
        // Nobody can prove the password of a stranger. It is refused by name all the same.
        if (known === undefined) throw passwordFailed(name);
        return known.user;
      },
    };
  }

  /** Where no password protects anything, who is on this machine may be the cluster's own user, and nobody else. */
  #admitWithoutPassword(name: string, address: string | undefined): Admission {
    if (!isLoopback(address)) throw remoteWithoutPassword();
    if (name !== this.#clusterUser) throw otherUserWithoutPassword(this.#clusterUser);
    return { kind: 'trusted', user: { name, password: undefined, isClusterUser: true } };
  }
}

async function know(name: string, password: string, isClusterUser: boolean): Promise<KnownUser> {
  return { user: { name, password, isClusterUser }, verifier: await makeVerifier(password) };
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(127\.|::1$|::ffff:127\.)/i.test(address);
}
