/** What members must have in common. Judges what `preflightMember` has read; asks nobody. */

import { quoteIdent } from '../../sql/index.ts';
import type { MemberTraits } from './member-traits.ts';
import type { PreflightReport } from './preflight.ts';
import type { CheckItem, Verdict } from './preflight-check.ts';
import { fail, ok, some, warn } from './preflight-check.ts';
import { settingCure } from './preflight-cure.ts';

type Members = readonly (readonly [id: string, traits: MemberTraits])[];

interface Comparison {
  readonly name: string;
  readonly judge: (members: Members) => Verdict;
}

/** By member id, in the order of the configuration. Members whose traits could not be read have said so themselves. */
export function comparePreflight(reports: ReadonlyMap<string, PreflightReport>): readonly CheckItem[] {
  const members = [...reports].flatMap(([id, { traits }]) =>
    traits === undefined ? [] : [[id, traits] as const],
  );
  if (members.length < 2) return [];
  return comparisons.map(({ name, judge }) => ({ name, ...judge(members) }));
}

const comparisons: readonly Comparison[] = [
  {
    name: 'separate databases',
    judge: (members) => {
      const twins = groups(members, ({ identity }) => identity).filter(({ ids }) => ids.length > 1);
      return twins.length === 0
        ? ok('each member has its own')
        : fail(
            twins.map(({ ids }) => `${ids.join(' and ')} are one and the same`).join('; '),
            'give each member the url of a database of its own',
          );
    },
  },
  {
    name: 'server versions',
    judge: (members) => {
      const found = describe(members, ({ version }) => version);
      return same(members, ({ major }) => String(major))
        ? ok(found)
        : warn(`${found}: what only the newer one knows fails on the older`);
    },
  },
  { name: 'encodings', judge: (members) => sameDatabaseTrait(members, ({ encoding }) => encoding) },
  { name: 'collations', judge: (members) => sameDatabaseTrait(members, ({ locale }) => locale) },
  {
    name: 'collation versions',
    judge: (members) => {
      const version = ({ collationVersion }: MemberTraits): string => collationVersion ?? 'none';
      return same(members, version)
        ? ok(version(members[0]?.[1] as MemberTraits))
        : warn(
            `${describe(members, version)}: text may sort differently`,
            `run the members on the same release of the operating system, or use the collation "C"`,
          );
    },
  },
  {
    name: 'build limits',
    judge: (members) =>
      same(members, ({ build }) => build)
        ? ok('equal')
        : warn(
            `${describe(members, ({ build }) => build)}: what one member takes, another refuses`,
            'install servers that were built alike',
          ),
  },
  { name: 'settings', judge: compareSettings },
  { name: 'extensions', judge: compareExtensions },
  { name: 'roles', judge: compareRoles },
  { name: 'passwords of clients', judge: compareVerifiers },
];

/** What cannot be changed once the database is made. */
function sameDatabaseTrait(members: Members, trait: (traits: MemberTraits) => string): Verdict {
  if (same(members, trait)) return ok(trait(members[0]?.[1] as MemberTraits));
  const wanted = commonest(members, trait);
  const model = members.find(([, traits]) => trait(traits) === wanted)?.[1] as MemberTraits;
  const cure = members
    .filter(([, traits]) => trait(traits) !== wanted)
    .map(
      ([id, { database }]) =>
        `-- on ${id}, and load its data anew:\nCREATE DATABASE ${quoteIdent(database)} TEMPLATE template0 ENCODING '${model.encoding}' ${model.locale};`,
    );
  return fail(describe(members, trait), cure.join('\n'));
}

function compareSettings(members: Members): Verdict {
  const names = [...new Set(members.flatMap(([, { settings }]) => settings.map(({ name }) => name)))];
  const differing = names.flatMap((name) => {
    const value = ({ settings }: MemberTraits): string =>
      settings.find((one) => one.name === name)?.value ?? 'unknown';
    if (same(members, value)) return [];
    const wanted = commonest(members, value);
    const cures = members.flatMap(([id, traits]) => {
      const setting = traits.settings.find((one) => one.name === name);
      return setting === undefined || setting.value === wanted
        ? []
        : [`-- on ${id}:\n${settingCure(forOneDatabase(setting), wanted, traits)}`];
    });
    return [{ found: `${name} is ${describe(members, value)}`, cures }];
  });
  if (differing.length === 0) return ok('equal');
  return warn(
    differing.map(({ found }) => found).join('; '),
    differing.flatMap(({ cures }) => cures).join('\n'),
  );
}

/** What is not set for a role is to be set for this database alone: the server may have others. */
function forOneDatabase<T extends { readonly source: string }>(setting: T): T {
  return setting.source.includes('user') ? setting : { ...setting, source: 'database' };
}

function compareExtensions(members: Members): Verdict {
  const names = [
    ...new Set(members.flatMap(([, { extensions }]) => extensions.map(({ name }) => name))),
  ].sort();
  const version =
    (name: string) =>
    ({ extensions }: MemberTraits): string =>
      extensions.find((one) => one.name === name)?.version ?? 'missing';
  const missing = names.filter((name) => members.some(([, traits]) => version(name)(traits) === 'missing'));
  const older = names.filter((name) => !missing.includes(name) && !same(members, version(name)));
  if (missing.length === 0 && older.length === 0) return ok(names.join(', '));
  const found = [...missing, ...older]
    .map((name) => `${name} is ${describe(members, version(name))}`)
    .join('; ');
  const cure = [...missing, ...older].flatMap((name) => {
    const present = members.filter(([, traits]) => version(name)(traits) !== 'missing');
    const wanted = commonest(present, version(name));
    return members.flatMap(([id, traits]) => {
      const its = version(name)(traits);
      if (its === wanted) return [];
      const action =
        its === 'missing'
          ? `CREATE EXTENSION ${quoteIdent(name)}`
          : `ALTER EXTENSION ${quoteIdent(name)} UPDATE TO '${wanted}'`;
      return [`-- on ${id}:\n${action};`];
    });
  });
  return missing.length > 0 ? fail(found, cure.join('\n')) : warn(found, cure.join('\n'));
}

/** A statement runs on every member under its role, so the role must be there, and able to do the same. */
function compareRoles(members: Members): Verdict {
  const names = [...new Set(members.flatMap(([, { roles }]) => roles.map(({ name }) => name)))].sort();
  const attributes =
    (name: string) =>
    ({ roles }: MemberTraits): string =>
      roles.find((one) => one.name === name)?.attributes ?? 'missing';
  const differing = names.filter((name) => !same(members, attributes(name)));
  if (differing.length === 0) return ok('equal');
  const cure = differing.flatMap((name) => {
    const wanted = commonest(
      members.filter(([, traits]) => attributes(name)(traits) !== 'missing'),
      attributes(name),
    );
    return members.flatMap(([id, traits]) => {
      const its = attributes(name)(traits);
      return its === wanted
        ? []
        : [`-- on ${id}:\n${its === 'missing' ? 'CREATE' : 'ALTER'} ROLE ${quoteIdent(name)} ${wanted};`];
    });
  });
  return warn(
    differing.map((name) => `role ${name} is ${describe(members, attributes(name))}`).join('; '),
    cure.join('\n'),
  );
}

/** Who has proven a password by one verifier has proven it to those members that keep the same one. */
function compareVerifiers(members: Members): Verdict {
  const readable = members.filter(([, { verifiers }]) => verifiers.length > 0);
  const names = [
    ...new Set(readable.flatMap(([, { verifiers }]) => verifiers.map(({ name }) => name))),
  ].sort();
  const digest =
    (name: string) =>
    ({ verifiers }: MemberTraits): string =>
      verifiers.find((one) => one.name === name)?.digest ?? 'missing';
  const differing = names.filter((name) => !same(readable, digest(name)));
  if (differing.length === 0) return ok(names.length === 0 ? 'nothing to compare' : 'equal');
  return warn(
    `members keep different verifiers of the passwords of ${some(differing)}: these are let in by the primary alone, and cut off when it is moved`,
    differing
      .map(
        (name) =>
          `\\password ${quoteIdent(name)}\n-- by psql, connected to Lockstep: it makes the verifier, and all members keep the same`,
      )
      .join('\n'),
  );
}

function same(members: Members, trait: (traits: MemberTraits) => string): boolean {
  return groups(members, trait).length === 1;
}

function groups(
  members: Members,
  trait: (traits: MemberTraits) => string,
): readonly { readonly value: string; readonly ids: readonly string[] }[] {
  const values = [...new Set(members.map(([, traits]) => trait(traits)))];
  return values.map((value) => ({
    value,
    ids: members.filter(([, traits]) => trait(traits) === value).map(([id]) => id),
  }));
}

function describe(members: Members, trait: (traits: MemberTraits) => string): string {
  return groups(members, trait)
    .map(({ value, ids }) => `${value} on ${ids.join(', ')}`)
    .join('; ');
}

/** The value that most members have, or the first of several: a cure has to name one. */
function commonest(members: Members, trait: (traits: MemberTraits) => string): string {
  return groups(members, trait).reduce((best, group) => (group.ids.length > best.ids.length ? group : best))
    .value;
}
