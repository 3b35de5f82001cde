/** The roles with which clients log in: whether they are there, may not more than they should, and can prove who they are. */

import { quoteIdent, quoteLiteral } from '../../sql/index.ts';
import { mayReadVerifiers } from './kept-verifiers.ts';
import { grants } from './least-rights.ts';
import type { Check, CheckContext, Verdict } from './preflight-check.ts';
import { fail, ok, some, warn } from './preflight-check.ts';

export const clientChecks: readonly Check[] = [
  { name: 'client roles', look: clientRoles },
  { name: 'passwords of clients', look: passwords },
];

const listOf = (names: readonly string[]): string => names.map(quoteLiteral).join(', ');

async function clientRoles(context: CheckContext): Promise<Verdict> {
  const { ask, role, clients, superuser } = context;
  if (clients.length === 0) return ok('none is listed');
  const names = clients.map(({ name }) => name);
  const rows = await ask(
    `SELECT rolname, rolcanlogin, rolsuper, pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname IN (${listOf(names)})`,
  );
  const facts = new Map(rows.map(([name, ...rest]) => [name ?? '', rest]));
  const absent = names.filter((name) => facts.get(name)?.[0] !== 't');
  if (absent.length > 0) {
    return fail(
      `may not log in here: ${some(absent)}`,
      absent
        .map((name) => `${facts.has(name) ? 'ALTER' : 'CREATE'} ROLE ${quoteIdent(name)} LOGIN;`)
        .join('\n'),
    );
  }
  const foreign = superuser ? [] : names.filter((name) => facts.get(name)?.[2] !== 't');
  if (foreign.length > 0) {
    return fail(
      `role ${role} is no member of ${some(foreign)}: what these make could not be followed`,
      foreign.map((name) => grants.owner(name, role)).join('\n'),
    );
  }
  const powerful = names.filter((name) => facts.get(name)?.[1] === 't');
  if (powerful.length > 0) {
    return warn(
      `superusers: ${some(powerful)}. Who logs in so can run programs and read files on the servers`,
      powerful
        .map((name) =>
          name === role
            ? `CREATE ROLE app LOGIN; -- for clients, instead of ${name}; list it under clients in the configuration`
            : `ALTER ROLE ${quoteIdent(name)} NOSUPERUSER;`,
        )
        .join('\n'),
    );
  }
  return names.includes(role)
    ? warn(
        `clients log in as ${role}, with which Lockstep works`,
        `CREATE ROLE app LOGIN; -- for clients, instead of ${role}; list it under clients in the configuration`,
      )
    : ok(`${some(names)}: no superuser`);
}

async function passwords({ ask, role, clients }: CheckContext): Promise<Verdict> {
  const names = clients.flatMap(({ name, kept }) => (kept ? [name] : []));
  if (names.length === 0) return ok('the node checks them all');
  const [[readable] = []] = await ask(`SELECT ${mayReadVerifiers}`);
  if (readable !== 't') {
    return fail(
      `role ${role} may not read what the server keeps of the passwords of ${some(names)}`,
      `${grants.verifiers(role)}\n-- or, where nobody can grant that: give each of them a password under clients in the configuration`,
    );
  }
  const rows = await ask(
    `SELECT rolname FROM pg_authid WHERE rolname IN (${listOf(names)}) AND starts_with(rolpassword, 'SCRAM-SHA-256$')`,
  );
  const good = new Set(rows.map(([name]) => name));
  const others = names.filter((name) => !good.has(name));
  return others.length === 0
    ? ok(`kept as SCRAM-SHA-256: ${some(names)}`)
    : fail(
        `none, or none that is kept as SCRAM-SHA-256: ${some(others)}`,
        others
          .map(
            (name) =>
              `SET password_encryption = 'scram-sha-256'; ALTER ROLE ${quoteIdent(name)} PASSWORD '…';`,
          )
          .join('\n'),
      );
}
