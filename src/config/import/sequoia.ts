/** Sequoia, and C-JDBC before it: a `VirtualDatabase` with its `DatabaseBackend`s, logins and load balancer. */
import { LockstepError } from '../../base/index.ts';
import { asName, importMembers } from './imported.ts';
import type { ImportedCluster } from './imported.ts';
import { childrenOf, find, valueOf } from './xml.ts';
import type { XmlElement } from './xml.ts';

/** Undefined: it is no such file. */
export function readSequoia(root: XmlElement, file: string): ImportedCluster | undefined {
  const database = root.name === 'VirtualDatabase' ? root : find(root, 'VirtualDatabase');
  if (database === undefined) return undefined;
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  const others = childrenOf(root, 'VirtualDatabase').slice(1);
  for (const other of others)
    warn(`a file is one cluster here; left out: ${valueOf(other, 'name') ?? 'a database without a name'}`);
  const backends = childrenOf(database, 'DatabaseBackend');
  const members = importMembers(
    backends.map((backend) => {
      const login = find(backend, 'ConnectionManager');
      return {
        name: valueOf(backend, 'name'),
        url: valueOf(backend, 'url'),
        username: login === undefined ? undefined : valueOf(login, 'rLogin', 'vLogin'),
        password: login === undefined ? undefined : valueOf(login, 'rPassword'),
        weight: weightOf(database, valueOf(backend, 'name')),
      };
    }),
    warn,
  );
  const balancer = balancerOf(database, file, warn);
  const users = logins(database, members[0]?.username, warn);
  for (const [name, text] of Object.entries(PARTS)) if (find(database, name) !== undefined) warn(text);
  const name = valueOf(database, 'name');
  return {
    product: 'Sequoia',
    name: name === undefined ? undefined : asName(name),
    members,
    users,
    ...(balancer !== undefined && { balancer }),
    warnings,
  };
}

/** Parts of the file that have no counterpart. */
const PARTS: Readonly<Record<string, string>> = {
  Distribution: 'Distribution: several controllers have no counterpart yet; run one node',
  RecoveryLog: 'RecoveryLog is not needed: each member keeps the commit log itself (`log`)',
  Backup:
    'Backup has no counterpart: a member is filled from another one, and backups are made as of any PostgreSQL',
  RequestCache: 'RequestCache has no counterpart: answers are not cached',
  MacroHandling: 'macros are not needed: what a statement did is replicated, not the statement',
  SemanticBehavior: 'declared semantics of procedures are not needed: what they did is replicated',
};

function balancerOf(database: XmlElement, file: string, warn: (text: string) => void): string | undefined {
  const balancer = find(database, 'LoadBalancer');
  const kind = balancer?.children[0];
  if (balancer === undefined || kind === undefined) return undefined;
  if (/^RAIDb-(0|2)/.test(kind.name)) {
    throw new LockstepError({
      code: 'config.import-partial',
      message: `${file} spreads tables over its databases (${kind.name}); members hold the same`,
      hint: 'Bring all tables to every database first, as RAIDb-1 has them.',
    });
  }
  const policy = find(kind, 'WaitForCompletion')?.attributes.get('policy');
  if (policy !== undefined && policy !== 'all')
    warn(
      `a write was answered there when ${policy === 'first' ? 'the first database' : 'a majority'} had it; here when all active members have`,
    );
  const how = kind.children.map(({ name }) => name).find((name) => name.startsWith(kind.name)) ?? '';
  if (how.endsWith('RoundRobin')) return 'round-robin';
  if (how.endsWith('Random')) return 'random';
  return how.endsWith('LeastPendingRequestsFirst') ? 'least-loaded' : undefined;
}

function weightOf(database: XmlElement, name: string | undefined): string | undefined {
  const balancer = find(database, 'LoadBalancer');
  return weights(balancer)
    .find((one) => one.attributes.get('name') === name)
    ?.attributes.get('weight');
}

function weights(element: XmlElement | undefined): readonly XmlElement[] {
  return (element?.children ?? []).flatMap((child) =>
    child.name === 'BackendWeight' ? [child] : weights(child),
  );
}

/** Clients log in as roles that every member knows, so a virtual login must be one. */
function logins(
  database: XmlElement,
  own: string | undefined,
  warn: (text: string) => void,
): ImportedCluster['users'] {
  const parent = find(database, 'VirtualUsers');
  return childrenOf(parent ?? database, 'VirtualLogin').flatMap((login) => {
    const name = valueOf(login, 'vLogin');
    if (name === undefined || name === own) return [];
    const password = valueOf(login, 'vPassword');
    if (password === undefined) {
      warn(`the virtual login ${name} has no password, and is left out of \`clients\``);
      return [];
    }
    warn(
      `the virtual login ${name} must be a role with that password on every member: CREATE ROLE "${name}" LOGIN`,
    );
    return [{ name, password }];
  });
}
