/** Passwords of roles, on their way to the members. */
import { LockstepError } from '../../base/index.ts';
import { findRolePassword, quoteLiteral } from '../../sql/index.ts';
import { formatVerifier, makeVerifier, parseVerifier } from '../../wire/postgres/index.ts';

/** What a server takes for a verifier of the older kind. */
const MD5 = /^md5[0-9a-f]{32}$/;

/**
 * The same statement with what a server would make of the password: the text is kept in the commit log of each member, and in
 * the logs of servers that keep statements. All members have the same verifier then, so one proof is good for each.
 */
export async function withoutPassword(text: Buffer): Promise<Buffer> {
  const found = findRolePassword(text);
  if (found === undefined) throw unreadablePassword();
  const { start, end, password } = found;
  // A server takes an empty one for none.
  if (password === '' || MD5.test(password) || parseVerifier(password) !== undefined) return text;
  const verifier = quoteLiteral(formatVerifier(await makeVerifier(password)));
  return Buffer.concat([text.subarray(0, start), Buffer.from(verifier.trim()), text.subarray(end)]);
}

function unreadablePassword(): LockstepError {
  return new LockstepError({
    code: 'front.unreadable-password',
    message: 'this password cannot be kept out of the logs of the members: nothing has happened',
    hint: "Write it as one plain string in quotes, without E'' and in UTF-8; or send what psql's \\password makes of it.",
    sqlState: '0A000',
  });
}
