import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPort, Middleman, versionOf } from './middleman.ts';
import type { StartSystem, SystemContext } from './system.ts';
import type { Address } from '../pgbench.ts';

/**
 * pgpool-II in native replication mode with load balancing, as its own manual sets it up: the same job as Lockstep's,
 * done by sending each statement to every server.
 */
export const startPgpool: StartSystem = async (databases, context) => {
  const { dir } = context;
  const port = await findPort();
  const pcpPort = await findPort();
  const file = join(dir, 'pgpool.conf');
  mkdirSync(join(dir, 'sockets'), { recursive: true });
  writeFileSync(file, configuration({ databases, context, port, pcpPort }));
  for (const name of ['pcp.conf', 'pool_hba.conf']) writeFileSync(join(dir, name), '');
  const address = { port, database: databases[0]?.database ?? '' };
  const words = ['-n', '-D', '-f', file, '-F', join(dir, 'pcp.conf'), '-a', join(dir, 'pool_hba.conf')];
  const middleman = await Middleman.start({ program: 'pgpool', words, dir, address, stopSignal: 'SIGINT' });
  return {
    name: `pgpool${databases.length}`,
    title: `pgpool, ${databases.length} members`,
    targets: [address],
    databases,
    pid: middleman.pid,
    version: versionOf('pgpool') ?? 'unknown',
    whyNot: () => undefined,
    primary: async () => 0,
    stop: () => middleman.stop(),
  };
};

interface Parts {
  readonly databases: readonly Address[];
  readonly context: SystemContext;
  readonly port: number;
  readonly pcpPort: number;
}

function configuration({ databases, context, port, pcpPort }: Parts): string {
  const { dir, clientsMax, hangDeadlineMs } = context;
  const sockets = join(dir, 'sockets');
  const lines = [
    `backend_clustering_mode = 'native_replication'`,
    `load_balance_mode = on`,
    `listen_addresses = '127.0.0.1'`,
    `port = ${port}`,
    `pcp_listen_addresses = '127.0.0.1'`,
    `pcp_port = ${pcpPort}`,
    `socket_dir = '${sockets}'`,
    `pcp_socket_dir = '${sockets}'`,
    `wd_ipc_socket_dir = '${sockets}'`,
    `pid_file_name = '${join(dir, 'pgpool.pid')}'`,
    `logdir = '${dir}'`,
    `work_dir = '${dir}'`,
    // One process for each client that can be there, as it has no queue of its own.
    `num_init_children = ${clientsMax + 8}`,
    `enable_pool_hba = off`,
    ...databases.flatMap((server, at) => [
      `backend_hostname${at} = '127.0.0.1'`,
      `backend_port${at} = ${server.port}`,
      `backend_weight${at} = 1`,
      `backend_flag${at} = 'ALLOW_TO_FAILOVER'`,
    ]),
    ...(hangDeadlineMs === undefined
      ? []
      : [
          'health_check_period = 1',
          `health_check_timeout = ${Math.ceil(hangDeadlineMs / 1000)}`,
          `health_check_user = 'bench'`,
        ]),
  ];
  return `${lines.join('\n')}\n`;
}
