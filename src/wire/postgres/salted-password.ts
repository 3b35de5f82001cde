import { createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Lru } from '../../base/index.ts';
import { saslPrep } from './sasl-prep.ts';

const derive = promisify(pbkdf2);

/** One per member and role is enough; the rest is room for changed passwords. */
const REMEMBERED_MAX = 64;
/** The names in `remembered` are made with a secret of this process, so that no password stands in memory through them. */
const nameKey = randomBytes(32);
const remembered = new Lru<string, Promise<Buffer>>(REMEMBERED_MAX);

export interface SaltRequest {
  readonly password: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

/**
 * SCRAM's SaltedPassword. The derivation is slow by design (1.8 ms of a core at 4096 rounds), and every connection to
 * one member asks for the same one, so results are remembered, unfinished ones too.
 */
export function saltPassword({ password, salt, iterations }: SaltRequest): Promise<Buffer> {
  const prepared = saslPrep(password);
  const name = createHmac('sha256', nameKey)
    .update(`${iterations} ${salt.toString('hex')} ${prepared}`)
    .digest('base64');
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const salted = derive(prepared, salt, iterations, 32, 'sha256');
  remembered.set(name, salted);
  return salted;
}
