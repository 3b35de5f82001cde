/**
 * HA-JDBC of every version, and `database.cluster.xml` of products that embed it: `cluster`, `database-cluster` or
 * `datasource-cluster` with a `database` each, whose address, login and weight are attributes or elements.
 */
import { asName, importMembers } from './imported.ts';
import type { ForeignDatabase, ImportedCluster } from './imported.ts';
import { childrenOf, find, valueOf } from './xml.ts';
import type { XmlElement } from './xml.ts';

const CLUSTERS = ['cluster', 'database-cluster', 'datasource-cluster'];
const DATABASES = ['database', 'datasource'];

/** Undefined: it is no such file. */
export function readHaJdbc(root: XmlElement): ImportedCluster | undefined {
  const all = [root, ...descendants(root)].filter(
    (element) => CLUSTERS.includes(element.name) && childrenOf(element, ...DATABASES).length > 0,
  );
  const cluster = all[0] ?? (childrenOf(root, ...DATABASES).length > 0 ? root : undefined);
  if (cluster === undefined) return undefined;
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  if (all.length > 1) {
    const names = all.slice(1).map((element) => valueOf(element, 'id') ?? 'without a name');
    warn(`a file is one cluster here; left out: ${names.join(', ')}`);
  }
  const databases = childrenOf(cluster, ...DATABASES);
  const members = importMembers(
    databases.map((database) => databaseOf(database, cluster)),
    warn,
  );
  warnOfInactive(databases, warn);
  warnOfDialect(valueOf(cluster, 'dialect'), warn);
  warnOfSettings(root, cluster, warn);
  const name = valueOf(cluster, 'id', 'name');
  const balancer = balancerOf(valueOf(cluster, 'balancer'), warn);
  const scheduled = valueOf(cluster, 'auto-activate-schedule') !== undefined;
  if (!scheduled) {
    warn(
      'members came back only by hand there (no auto-activate-schedule); here they come back by themselves, while clients go on. To have it as it was: `sync.automatic: false`',
    );
  }
  return {
    product: 'HA-JDBC',
    name: name === undefined ? undefined : asName(name),
    members,
    users: [],
    ...(balancer !== undefined && { balancer }),
    warnings,
  };
}

/** What it does not say itself is said for all of them. */
function databaseOf(database: XmlElement, cluster: XmlElement): ForeignDatabase {
  const jndi = database.name === 'datasource' ? undefined : valueOf(database, 'location', 'url');
  const own = (...names: readonly string[]): string | undefined =>
    valueOf(database, ...names) ?? property(database, ...names) ?? valueOf(cluster, ...names);
  return {
    name: valueOf(database, 'id') ?? valueOf(database, 'name'),
    url: jndi,
    username: own('user', 'username'),
    password: own('password'),
    weight: valueOf(database, 'weight'),
  };
}

function property(element: XmlElement, ...names: readonly string[]): string | undefined {
  const found = childrenOf(element, 'property').find((one) =>
    names.includes(one.attributes.get('name') ?? ''),
  );
  return found === undefined || found.text === '' ? undefined : found.text;
}

const BALANCERS: Readonly<Record<string, string>> = {
  load: 'least-loaded',
  'round-robin': 'round-robin',
  random: 'random',
  simple: 'simple',
};

function balancerOf(text: string | undefined, warn: (text: string) => void): string | undefined {
  if (text === undefined) return undefined;
  const balancer = BALANCERS[text.toLowerCase()];
  if (balancer === undefined)
    warn(`the balancer ${text} has no counterpart; reads go to the least loaded member`);
  return balancer;
}

function warnOfInactive(databases: readonly XmlElement[], warn: (text: string) => void): void {
  const inactive = databases.filter((one) => /^(false|no|0)$/i.test(valueOf(one, 'active') ?? ''));
  for (const one of inactive) {
    warn(
      `${valueOf(one, 'id', 'name') ?? 'a database'} was not active there, so its data are behind. Members that differ stop the first start; name the one whose data count with \`source\``,
    );
  }
}

function warnOfDialect(dialect: string | undefined, warn: (text: string) => void): void {
  if (dialect !== undefined && !/postgres|^standard$/i.test(dialect))
    warn(`the dialect ${dialect} is not PostgreSQL; members run PostgreSQL`);
}

/** Attributes of the cluster that mean something there, and what is to be known of each here. */
const SETTINGS: Readonly<Record<string, (value: string) => string | undefined>> = {
  'default-sync': (value) =>
    value === 'passive'
      ? 'default-sync passive takes returning members for level without looking; here they are always brought level'
      : `default-sync ${value}: the cheapest way that is enough is chosen each time here, while clients go on`,
  'transaction-mode': (value) =>
    value === 'parallel'
      ? 'transaction-mode parallel has no counterpart: commits have one order here'
      : undefined,
  'auto-activate-schedule': () =>
    'auto-activate-schedule is not needed: a member that answers comes back at once',
  'failure-detect-schedule': () =>
    'failure-detect-schedule is not needed: members are probed each second (`probe`)',
  'detect-sequences': (value) => unsafe('detect-sequences', value, 'sequences'),
  'detect-identity-columns': (value) => unsafe('detect-identity-columns', value, 'identity columns'),
  'eval-rand': (value) => unsafe('eval-rand', value, 'random values'),
  'eval-current-date': (value) => unsafe('eval-current-date', value, 'dates'),
  'eval-current-time': (value) => unsafe('eval-current-time', value, 'times'),
  'eval-current-timestamp': (value) => unsafe('eval-current-timestamp', value, 'times'),
  'allow-empty-cluster': (value) =>
    value === 'true'
      ? 'allow-empty-cluster has no counterpart: the last active member stays active'
      : undefined,
  durability: (value) => `durability ${value} is not needed: each member keeps the commit log itself`,
  'input-sink': (value) => `input-sink ${value} has no counterpart, and is not needed`,
  'min-threads': pool,
  'max-threads': pool,
  'max-idle': pool,
};

/** They have no meaning beyond that product's own working. */
const SILENT = ['id', 'name', 'dialect', 'balancer', 'meta-data-cache', 'user', 'username', 'password'];
const SILENT_ELEMENTS = ['cluster', 'database-cluster', 'datasource-cluster', 'sync', ...DATABASES];

function unsafe(key: string, value: string, what: string): string | undefined {
  return value === 'false'
    ? `${key} was off: ${what} may differ between the databases already. Members that differ stop the first start; \`source\` says whose data count`
    : undefined;
}

function pool(): string {
  return 'threads have no counterpart; `limits.maxClients` bounds the clients';
}

function warnOfSettings(root: XmlElement, cluster: XmlElement, warn: (text: string) => void): void {
  const said = new Set<string>();
  const once = (text: string | undefined): void => {
    if (text === undefined || said.has(text)) return;
    said.add(text);
    warn(text);
  };
  const unknown = new Set<string>();
  for (const [key, value] of cluster.attributes) {
    const setting = SETTINGS[key];
    if (setting !== undefined) once(setting(value));
    else if (!SILENT.includes(key) && !key.startsWith('xmlns') && key !== 'schemaLocation') unknown.add(key);
  }
  if (find(root, 'distributable') !== undefined) {
    once('distributable: several engines on one set of databases have no counterpart yet; run one node');
  }
  for (const strategy of childrenOf(root, 'sync').filter((one) => one.children.length > 0)) {
    once(`the properties of sync ${valueOf(strategy, 'id') ?? ''} have no counterpart; see \`sync\``);
  }
  if (find(root, 'state') !== undefined)
    once('state: what the node remembers is in the directory `state` here');
  for (const element of [...root.children, ...cluster.children]) {
    if (![...SILENT_ELEMENTS, 'distributable', 'state', 'lock', 'property', ...SILENT].includes(element.name))
      unknown.add(element.name);
  }
  for (const name of unknown) once(`${name} is not known, and is left out`);
}

function descendants(element: XmlElement): readonly XmlElement[] {
  return element.children.flatMap((child) => [child, ...descendants(child)]);
}
