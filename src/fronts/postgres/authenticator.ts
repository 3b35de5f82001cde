/**
 * Who may log in, where, and with which proof. Passwords that the node knows are turned into verifiers once, when it starts; of those
 * that the members keep, the verifiers are asked for at each login, so that a changed password is in force at once.
 */

import { randomBytes } from 'node:crypto';
import { systemClock, withDeadline } from '../../base/index.ts';
import { makeVerifier, mockVerifier, parseVerifier } from '../../wire/postgres/index.ts';
import type { ScramKeys, ScramVerifier } from '../../wire/postgres/index.ts';
import type { ClientUser } from './authenticated-client.ts';
import {
  otherUserWithoutPassword,
  passwordFailed,
  passwordUnchecked,
  remoteWithoutPassword,
} from './login-errors.ts';

/** With a password, or the verifier of one, the node checks it. With neither that nor `trust`, the members keep it. */
export interface Login {
  readonly name: string;
  readonly password?: string | undefined;
  readonly trust?: 'loopback' | undefined;
}

export interface AuthenticatorOptions {
  /** Who is listed by this name is each member's own user. */
  readonly clusterUser: string | undefined;
  readonly clients: readonly Login[];
  readonly operators: readonly Login[];
  /** The operator on this machine, who is known by this name in this database only, and from a loopback address. */
  readonly localOperator?:
    | { readonly name: string; readonly password: string; readonly database: string }
    | undefined;
  /** The verifiers that the members keep, by name, of those who may log in now; needed where they are to check. */
  readonly askMembers?: (names: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

export interface LoginOrigin {
  readonly address: string | undefined;
  /** As the client named it. */
  readonly database: string;
}

/** What a client has to do to be let in. */
export type Admission =
  | { readonly kind: 'trusted'; readonly user: ClientUser }
  | {
      readonly kind: 'prove-password';
      readonly verifier: ScramVerifier;
      /** Called with what a proof that holds has shown: says who it is. */
      readonly proven: (keys: ScramKeys) => ClientUser;
    };

type Rights = Pick<ClientUser, 'isClient' | 'isOperator'>;

interface Known {
  readonly rights: Rights;
  readonly proof:
    | { readonly kind: 'node'; readonly verifier: ScramVerifier; readonly text: string | undefined }
    | { readonly kind: 'members' }
    | { readonly kind: 'loopback' };
}

/** Members that have not said by then what they keep are not waited for. */
const askMs = 5_000;
/** Who proves a password that the node knows waits no longer than this for what others have to wait for. */
const disguiseMs = 250;

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #known: ReadonlyMap<string, Known>;
  readonly #localOperator: Known | undefined;
  readonly #keptByMembers: readonly string[];
  /** Strangers get salts made from it: the same ones as long as the node runs, as users do. */
  readonly #mockSecret = randomBytes(32);

  /** `Authenticator.create` makes one. */
  private constructor(
    options: AuthenticatorOptions,
    known: ReadonlyMap<string, Known>,
    localOperator: Known | undefined,
  ) {
    this.#options = options;
    this.#known = known;
    this.#localOperator = localOperator;
    this.#keptByMembers = [...known].flatMap(([name, { proof }]) => (proof.kind === 'members' ? [name] : []));
  }

  static async create(options: AuthenticatorOptions): Promise<Authenticator> {
    const { clients, operators, localOperator } = options;
    const clientNames = new Set(clients.map(({ name }) => name));
    const operatorNames = new Set(operators.map(({ name }) => name));
    // Who is both is said under the clients how to prove it.
    const all = [...clients, ...operators.filter(({ name }) => !clientNames.has(name))];
    const known = await Promise.all(
      all.map(
        async (login) =>
          [
            login.name,
            await know(login, {
              isClient: clientNames.has(login.name),
              isOperator: operatorNames.has(login.name),
            }),
          ] as const,
      ),
    );
    const local =
      localOperator === undefined
        ? undefined
        : await know(localOperator, { isClient: false, isOperator: true });
    return new Authenticator(options, new Map(known), local);
  }

  /** Throws an error for the client when nothing that it could do would help. */
  async admit(name: string, origin: LoginOrigin): Promise<Admission> {
    const known = this.#find(name, origin);
    if (known?.proof.kind === 'loopback' && isLoopback(origin.address))
      return { kind: 'trusted', user: this.#user(name, known, undefined) };
    this.#refuseWherePasswordsProtectNothing(known, origin);
    const kept = await this.#askMembers(known);
    const verifier = verifierOf(name, known, kept);
    // Made for everyone, so that the time it takes says nothing about who exists.
    const mock = mockVerifier(name, this.#mockSecret, someIterations(kept));
    return {
      kind: 'prove-password',
      verifier: verifier ?? mock,
      proven: (keys) => {
        // Nobody can prove the password of a stranger. It is refused by name all the same.
        if (known === undefined || verifier === undefined) throw passwordFailed(name);
        return this.#user(name, known, keys);
      },
    };
  }

  #find(name: string, { address, database }: LoginOrigin): Known | undefined {
    const { localOperator } = this.#options;
    const isLocalOperator =
      localOperator?.name === name && localOperator.database === database && isLoopback(address);
    return isLocalOperator ? this.#localOperator : this.#known.get(name);
  }

  #user(name: string, { rights, proof }: Known, keys: ScramKeys | undefined): ClientUser {
    const isClusterUser = name === this.#options.clusterUser;
    // The text is good for every member; keys are, where the members keep the same verifier.
    const password = proof.kind === 'node' ? (proof.text ?? keys) : keys;
    return { name, password, isClusterUser, ...rights };
  }

  /** Asked for everybody, strangers included, so that the time it takes is the same for all of them. */
  async #askMembers(known: Known | undefined): Promise<ReadonlyMap<string, string>> {
    const { askMembers } = this.#options;
    if (this.#keptByMembers.length === 0 || askMembers === undefined) return new Map();
    const byNode = known?.proof.kind === 'node';
    try {
      return await withDeadline(
        systemClock,
        byNode ? disguiseMs : askMs,
        askMembers(this.#keptByMembers),
        passwordUnchecked,
      );
    } catch {
      // Operators come while no member answers.
      if (byNode) return new Map();
      throw passwordUnchecked();
    }
  }

  /** Where nobody has a password, who is on this machine may be whom the configuration trusts, and nobody else. */
  #refuseWherePasswordsProtectNothing(known: Known | undefined, { address }: LoginOrigin): void {
    if (known !== undefined && known.proof.kind !== 'loopback') return;
    const all = [...this.#known];
    if (all.length === 0 || all.some(([, { proof }]) => proof.kind !== 'loopback')) return;
    if (!isLoopback(address)) throw remoteWithoutPassword();
    throw otherUserWithoutPassword(all.map(([name]) => name));
  }
}

async function know({ password, trust }: Login, rights: Rights): Promise<Known> {
  if (trust === 'loopback') return { rights, proof: { kind: 'loopback' } };
  if (password === undefined) return { rights, proof: { kind: 'members' } };
  const given = parseVerifier(password);
  const verifier = given ?? (await makeVerifier(password));
  return { rights, proof: { kind: 'node', verifier, text: given === undefined ? password : undefined } };
}

function verifierOf(
  name: string,
  known: Known | undefined,
  kept: ReadonlyMap<string, string>,
): ScramVerifier | undefined {
  if (known?.proof.kind === 'node') return known.proof.verifier;
  const text = known?.proof.kind === 'members' ? kept.get(name) : undefined;
  return text === undefined ? undefined : parseVerifier(text);
}

/** As many as those whom the members know have, so that strangers look the same. */
function someIterations(kept: ReadonlyMap<string, string>): number | undefined {
  for (const text of kept.values()) {
    const verifier = parseVerifier(text);
    if (verifier !== undefined) return verifier.iterations;
  }
  return undefined;
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(127\.|::1$|::ffff:127\.)/i.test(address);
}
