import { createHash } from 'node:crypto';

/** The answer to AuthenticationMD5Password, for `frontend.password`. Members still configured so are let be. */
export function md5Password(login: {
  readonly user: string;
  readonly password: string;
  readonly salt: Buffer;
}): string {
  const inner = createHash('md5').update(login.password).update(login.user).digest('hex');
  return `md5${createHash('md5').update(inner).update(login.salt).digest('hex')}`;
}
