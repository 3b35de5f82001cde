/**
 * The words that let operators in: one for everything, one for looking only. Made at the first start, in the state directory,
 * for its owner alone. A token is 256 bits of chance, so nobody guesses one; who deletes a file gets a new token at the next start.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LockstepError, messageOf } from '../../base/index.ts';
import type { Role } from '../command.ts';

export interface TokenFiles {
  readonly operator: string;
  readonly readOnly: string;
}

const TOKEN_BYTES = 32;
const TOKEN_LENGTH_MIN = 20;

export function tokenFiles(stateDirectory: string): TokenFiles {
  return {
    operator: join(stateDirectory, 'admin-token'),
    readOnly: join(stateDirectory, 'admin-token-read-only'),
  };
}

/** The one for everything, made if there is none. `warn` is told when others can read it. */
export async function operatorToken(
  stateDirectory: string,
  warn: (message: string) => void,
): Promise<string> {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  return await readOrMake(tokenFiles(stateDirectory).operator, warn);
}

/** For whoever has just started the node, and comes from its terminal to the console. */
const LINK_MS = 15 * 60_000;

interface Known {
  readonly role: Role;
  readonly digest: Buffer;
}

export class Tokens {
  readonly #digests: readonly Known[];
  readonly #once = new Map<string, number>();

  /** `warn` is told of a file that others can read. */
  static async open(stateDirectory: string, warn: (message: string) => void): Promise<Tokens> {
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
    const files = tokenFiles(stateDirectory);
    return new Tokens([
      { role: 'operator', digest: digestOf(await readOrMake(files.operator, warn)) },
      { role: 'read-only', digest: digestOf(await readOrMake(files.readOnly, warn)) },
    ]);
  }

  /** None in any file: what is made here is good once. */
  static none(): Tokens {
    return new Tokens([]);
  }

  private constructor(digests: readonly Known[]) {
    this.#digests = digests;
  }

  /** A word that opens one session of an operator, within a quarter of an hour. In memory alone. */
  makeOnce(nowMs: number): string {
    const word = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#once.set(digestOf(word).toString('base64'), nowMs + LINK_MS);
    return word;
  }

  /** Undefined: it is none, was used already, or came too late. */
  takeOnce(word: string, nowMs: number): Role | undefined {
    const key = digestOf(word).toString('base64');
    const untilMs = this.#once.get(key);
    this.#once.delete(key);
    return untilMs !== undefined && nowMs < untilMs ? 'operator' : undefined;
  }

  /** Undefined: it is neither. Takes the same time whatever it is. */
  roleOf(token: string): Role | undefined {
    const given = digestOf(token);
    let found: Role | undefined;
    for (const { role, digest } of this.#digests) {
      if (timingSafeEqual(given, digest)) found ??= role;
    }
    return found;
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

async function readOrMake(path: string, warn: (message: string) => void): Promise<string> {
  try {
    return (await make(path)) ?? (await read(path, warn));
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw new LockstepError({
      code: 'admin.token-unreadable',
      message: `the token ${path} can be neither read nor made: ${messageOf(error)}`,
      hint: 'let the user that runs the node read it, or delete it: a new one is made',
      cause: error,
    });
  }
}

/** Undefined: there is one. */
async function make(path: string): Promise<string | undefined> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${token}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    return token;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
    throw error;
  }
}

async function read(path: string, warn: (message: string) => void): Promise<string> {
  const token = (await readFile(path, 'utf8')).trim();
  if (token.length < TOKEN_LENGTH_MIN) {
    throw new LockstepError({
      code: 'admin.token-too-short',
      message: `the token in ${path} has less than ${TOKEN_LENGTH_MIN} characters`,
      hint: 'delete the file: a new one is made',
    });
  }
  const { mode } = await stat(path);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    warn(`${path} can be read by others on this machine; cure: chmod 600 ${path}`);
  return token;
}
