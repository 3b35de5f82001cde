import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { user } from '../pgbench.ts';
import { findPort, Middleman, versionOf } from './middleman.ts';
import type { StartSystem } from './system.ts';

const userOf = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];

/** pgbouncer before one server: what a process in the middle costs when it has nothing to decide. */
export function startPgbouncer(pooling: 'session' | 'transaction'): StartSystem {
  return async (databases, { dir, clientsMax }) => {
    const [server] = databases;
    if (!server) throw new Error('pgbouncer needs a server');
    const port = await findPort();
    const file = join(dir, 'pgbouncer.ini');
    const users = join(dir, 'users.txt');
    writeFileSync(users, `"${user}" ""\n`);
    writeFileSync(
      file,
      `[databases]
${server.database} = host=127.0.0.1 port=${server.port} dbname=${server.database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${pooling}
max_client_conn = ${clientsMax + 50}
default_pool_size = ${clientsMax + 10}
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
`,
    );
    const address = { port, database: server.database };
    const words = [...userOf, file];
    const middleman = await Middleman.start({
      program: 'pgbouncer',
      words,
      dir,
      address,
      stopSignal: 'SIGINT',
    });
    return {
      name: `pgbouncer-${pooling}`,
      title: `pgbouncer, ${pooling} pooling`,
      targets: [address],
      databases,
      pid: middleman.pid,
      version: versionOf('pgbouncer') ?? 'unknown',
      whyNot: ({ prepared }) =>
        prepared && pooling === 'transaction' ? 'no prepared statements in transaction pooling' : undefined,
      primary: async () => 0,
      stop: () => middleman.stop(),
    };
  };
}
