import type { Address } from '../pgbench.ts';
import type { StartSystem, System } from './system.ts';

/** One PostgreSQL server and nothing between: what every other figure is a fraction of. */
export const startDirect: StartSystem = async (databases) => plain('direct', 'direct', databases);

/**
 * pgbench on every server at once, each doing all the work: what the machine gives when nobody keeps the servers equal.
 * The slowest counts.
 */
export const startAtOnce: StartSystem = async (databases) =>
  plain(`atonce${databases.length}`, `pgbench on ${databases.length} servers at once`, databases);

function plain(name: string, title: string, databases: readonly Address[]): System {
  return {
    name,
    title,
    targets: databases,
    databases,
    pid: undefined,
    version: '',
    whyNot: ({ writesOnly }) =>
      databases.length === 1 || writesOnly ? undefined : 'a read is sent to one server only',
    primary: async () => 0,
    stop: async () => {},
  };
}
