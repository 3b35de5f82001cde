/** What no single option can get wrong alone: names used twice, one database named as two members, gaps in the whole. */
import { isLoopback } from './address.ts';
import type { Complaint } from './check-shape.ts';
import { showKey } from './problem.ts';
import type { KeyPath } from './problem.ts';
import type { FileHook, FileLogin, FileMember, FileOptions, FileTls } from './schema.ts';
import { closest } from './spelling.ts';

/** Whoever can read the token in the state directory, in the database `lockstep`. */
export const LOCAL_OPERATOR = 'operator';

export function checkSense(options: FileOptions): readonly Complaint[] {
  return [
    ...options.members.flatMap((member, index) => checkMember(options, member, ['members', index])),
    ...duplicates(options.members, (member) => member.id, ['id'], ['members'], 'this id is taken by'),
    ...duplicates(options.members, databaseOf, ['url'], ['members'], 'this is the same database as'),
    ...checkSource(options),
    ...checkClients(options),
    ...checkLogins(options, options.clients ?? [], ['clients']),
    ...checkLogins(options, options.admin.users, ['admin', 'users']),
    ...checkOperators(options),
    ...checkTls(options.tls, ['tls']),
    ...checkListen(options),
    ...duplicates(options.hooks, (hook) => hook.name, ['name'], ['hooks'], 'this name is taken by'),
    ...options.hooks.flatMap((hook, index) => checkHook(hook, ['hooks', index])),
    ...checkAdmin(options),
  ];
}

function checkMember(options: FileOptions, member: FileMember, path: KeyPath): readonly Complaint[] {
  const complaints: Complaint[] = [...checkTls(member.tls, [...path, 'tls'])];
  const url = [...path, 'url'];
  if ((member.username ?? member.url.username ?? options.username) === undefined) {
    complaints.push({
      path,
      message: `no username: set \`username\`, or \`${showKey([...path, 'username'])}\``,
    });
  }
  if (member.url.password !== undefined) {
    complaints.push({
      path: url,
      severity: 'warning',
      message:
        'a password in a URL is easily seen by others; write it as `password: { env: … }` or `{ file: … }`',
    });
  }
  for (const key of ['username', 'password'] as const) {
    if (member.url[key] !== undefined && member[key] !== undefined) {
      complaints.push({ path: url, message: `the ${key} is given twice: in the URL and as \`${key}\`` });
    }
  }
  return complaints;
}

function duplicates<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  key: KeyPath,
  list: KeyPath,
  message: string,
): readonly Complaint[] {
  const first = new Map<string, number>();
  return items.flatMap((item, index) => {
    const earlier = first.get(nameOf(item));
    if (earlier === undefined) {
      first.set(nameOf(item), index);
      return [];
    }
    return [{ path: [...list, index, ...key], message: `${message} ${showKey([...list, earlier])}` }];
  });
}

/** Two spellings of this machine are one host. Other aliases are found later, by what the servers say they are. */
function databaseOf(member: FileMember): string {
  const { host, port, database } = member.url;
  return JSON.stringify([isLoopback(host) ? 'localhost' : host.toLowerCase(), port, database]);
}

function checkSource(options: FileOptions): readonly Complaint[] {
  const ids = options.members.map((member) => member.id);
  if (options.source === undefined || ids.includes(options.source)) return [];
  const didYouMean = closest(options.source, ids);
  return [
    {
      path: ['source'],
      message: `there is no member ${JSON.stringify(options.source)}`,
      allowed: ids.join(', '),
      ...(didYouMean !== undefined && { didYouMean }),
    },
  ];
}

/**
 * Nothing is said of clients. Where Lockstep itself needs no password, whoever is on this machine has on the members what the node could
 * give him: he is let in. Undefined: nobody is.
 */
export function whoeverIsHere({
  clients,
  username,
  password,
  members,
  listen,
}: FileOptions): FileLogin | undefined {
  const proves = (member: FileMember): boolean =>
    member.password !== undefined || member.url.password !== undefined || member.tls?.cert !== undefined;
  if (clients !== undefined || username === undefined || password !== undefined || members.some(proves))
    return undefined;
  return isLoopback(listen.postgres.host) ? { name: username, trust: 'loopback' } : undefined;
}

function checkClients(options: FileOptions): readonly Complaint[] {
  const { clients, username } = options;
  if (clients !== undefined) return [];
  const here = whoeverIsHere(options);
  if (here !== undefined)
    return [
      {
        path: ['username'],
        severity: 'warning',
        message: `\`clients\` is not there: whoever is on this machine may log in as ${here.name}, as the members allow without a password too. List who may: \`clients: [{ name: ${here.name}, trust: loopback }]\` says the same, roles of their own are better (docs/guide/security.md)`,
      },
    ];
  const line = username === undefined ? 'clients: [app]' : `clients: [${username}]`;
  return [
    {
      path: ['clients'],
      message: `nobody may log in: list the roles of clients. \`${line}\` lets them in with the role of Lockstep itself, as before; roles of their own are better (docs/guide/security.md)`,
    },
  ];
}

function checkLogins(
  { username, password: common }: FileOptions,
  list: readonly FileLogin[],
  path: KeyPath,
): readonly Complaint[] {
  const key = showKey(path);
  return [
    ...duplicates(list, ({ name }) => name, ['name'], path, 'this name is taken by'),
    ...list.flatMap(({ name, password, trust }, index): readonly Complaint[] => {
      const at = [...path, index];
      if (password !== undefined && trust !== undefined)
        return [{ path: at, message: 'either `password` or `trust`' }];
      if (name !== username || trust !== undefined) return [];
      if (password !== undefined)
        return [
          { path: at, message: `this is \`username\`, and proves \`password\`: write ${key}: [${name}]` },
        ];
      if (common !== undefined) return [];
      return [
        {
          path: at,
          message: `this is \`username\`, which has no \`password\` to prove. Set one, or let everybody on this machine be it: \`{ name: ${name}, trust: loopback }\``,
        },
      ];
    }),
  ];
}

function checkOperators({ clients, admin }: FileOptions): readonly Complaint[] {
  return admin.users.flatMap(({ name, password, trust }, index): readonly Complaint[] => {
    const path = ['admin', 'users', index, 'name'];
    if (name === LOCAL_OPERATOR)
      return [
        {
          path,
          message: `this is the operator on this machine, whose password is the token in the state directory`,
        },
      ];
    const listed = (clients ?? []).some((client) => client.name === name);
    if (!listed || (password === undefined && trust === undefined)) return [];
    return [{ path, message: `\`clients\` says already what ${name} proves: write the name alone here` }];
  });
}

function checkTls(tls: FileTls | undefined, path: KeyPath): readonly Complaint[] {
  if (tls === undefined || (tls.cert === undefined) === (tls.key === undefined)) return [];
  const [given, missing] = tls.cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
  return [{ path: [...path, given], message: `\`${given}\` needs \`${missing}\` beside it` }];
}

function checkListen(options: FileOptions): readonly Complaint[] {
  const { listen, clients = [] } = options;
  if (isLoopback(listen.postgres.host)) return [];
  const path = ['listen', 'postgres'];
  const complaints: Complaint[] = [];
  if (clients.length > 0 && clients.every(({ trust }) => trust === 'loopback')) {
    complaints.push({
      path,
      severity: 'warning',
      message: 'all `clients` are let in from this machine only, whatever the address is',
    });
  }
  if (listen.tls === undefined) {
    complaints.push({
      path,
      severity: 'warning',
      message: 'without `listen.tls` data crosses the network in the clear (passwords do not)',
    });
  }
  return complaints;
}

function checkHook({ run, post, authorization }: FileHook, path: KeyPath): readonly Complaint[] {
  if ((run === undefined) === (post === undefined))
    return [{ path, message: 'a hook has either `run` or `post`' }];
  const key = [...path, 'authorization'];
  if (authorization === undefined) return [];
  if (post === undefined) return [{ path: key, message: '`authorization` needs `post` beside it' }];
  const { protocol, hostname } = new URL(post);
  return protocol === 'http:' && !isLoopback(hostname)
    ? [{ path: key, severity: 'warning', message: 'it crosses the network in the clear; use https' }]
    : [];
}

function checkAdmin({ listen, admin }: FileOptions): readonly Complaint[] {
  if (listen.admin === undefined || isLoopback(listen.admin.host)) return [];
  const path = ['listen', 'admin'];
  if (!admin.allowRemote) {
    return [
      {
        path,
        message: 'other machines can reach this address; set `admin.allowRemote: true` if that is meant',
      },
    ];
  }
  if (listen.tls !== undefined) return [];
  return [
    {
      path,
      severity: 'warning',
      message:
        'without `listen.tls` tokens cross the network in the clear, and whoever sees one commands the cluster',
    },
  ];
}
