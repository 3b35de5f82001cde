/** From the file of another product to a configuration of ours. Pure. */
import { LockstepError } from '../../base/index.ts';
import type { ConfigDraft, SecretPlace } from '../draft.ts';
import { readHaJdbc } from './ha-jdbc.ts';
import type { ImportedCluster } from './imported.ts';
import { readSequoia } from './sequoia.ts';
import { readXml } from './xml.ts';

export interface ImportOptions {
  readonly cluster?: string | undefined;
  readonly listen: ConfigDraft['listen'];
  readonly state: string;
  /** Where a password will be found: `name` is that of a member or of a user, or `password` for the common one. */
  readonly place: (name: string, password: string) => SecretPlace;
}

/** `file` is what messages call it. */
export function readForeign(text: string, file: string): ImportedCluster {
  const root = readXml(text, file);
  const found = readSequoia(root, file) ?? readHaJdbc(root);
  if (found === undefined) {
    throw new LockstepError({
      code: 'config.import-unknown',
      message: `${file} begins with <${root.name}>, and describes no cluster of databases`,
      hint: 'Files of HA-JDBC (ha-jdbc.xml, database.cluster.xml), Sequoia and C-JDBC are read.',
    });
  }
  if (found.members.length === 0) {
    throw new LockstepError({
      code: 'config.import-empty',
      message: `no database in ${file} can be a member: ${found.warnings.join('; ')}`,
      hint: '`lockstep init` makes a configuration by asking.',
    });
  }
  return found;
}

/** The most common login becomes the common one; who has another keeps it. */
export function draftOf(imported: ImportedCluster, options: ImportOptions): ConfigDraft {
  const { members, users, balancer, warnings, product } = imported;
  const common = commonLogin(imported);
  return {
    cluster: options.cluster ?? imported.name ?? 'cluster',
    ...(common !== undefined && { username: common.username }),
    ...(common?.password !== undefined && { password: options.place('password', common.password) }),
    members: members.map(({ id, url, weight, username, password, tlsMode }) => {
      const own = username !== undefined && username !== common?.username;
      const ownPassword = password !== undefined && (own || password !== common?.password);
      return {
        id,
        url,
        ...(weight !== undefined && weight !== 1 && { weight }),
        ...(own && { username }),
        ...(ownPassword && { password: options.place(id, password) }),
        ...(tlsMode !== undefined && { tls: { mode: tlsMode } }),
      };
    }),
    clients: [
      ...(common?.password === undefined ? [] : [common.username]),
      ...users.map(({ name, password }) => ({ name, password: options.place(name, password) })),
    ],
    listen: options.listen,
    state: options.state,
    ...(balancer !== undefined && { balancer }),
    notes: [
      `Made from a file of ${product}.`,
      ...(common === undefined ? [] : [`- ${ofTheLogin(common)}`]),
      ...warnings.map((text) => `- ${text}`),
    ],
  };
}

/** There the engine and its clients are one role. */
function ofTheLogin({
  username,
  password,
}: {
  readonly username: string;
  readonly password?: string | undefined;
}): string {
  return password === undefined
    ? `no password of ${username} was found: \`clients\` does not list it, see docs/guide/security.md`
    : `clients log in as ${username}, with which Lockstep works too, as it was there: give them a role of their own under \`clients\`, see docs/guide/security.md`;
}

function commonLogin({
  members,
}: ImportedCluster): { readonly username: string; readonly password: string | undefined } | undefined {
  const counts = new Map<string, number>();
  for (const { username } of members)
    if (username !== undefined) counts.set(username, (counts.get(username) ?? 0) + 1);
  const [username] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  if (username === undefined) return undefined;
  return { username, password: members.find((member) => member.username === username)?.password };
}
