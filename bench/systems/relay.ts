import { fileURLToPath } from 'node:url';
import { findPort, Middleman, versionOf } from './middleman.ts';
import type { StartSystem } from './system.ts';

/** A Node process that only copies bytes: the least that anything written for Node costs in the path. */
export const startRelay: StartSystem = async (databases, { dir }) => {
  const [server] = databases;
  if (!server) throw new Error('the relay needs a server');
  const port = await findPort();
  const address = { port, database: server.database };
  const program = process.execPath;
  const script = fileURLToPath(new URL('relay-process.js', import.meta.url));
  const words = [script, String(port), String(server.port)];
  const middleman = await Middleman.start({ program, words, dir, address, stopSignal: 'SIGTERM' });
  return {
    name: 'relay',
    title: 'a relay in Node that only copies bytes',
    targets: [address],
    databases,
    pid: middleman.pid,
    version: versionOf(program) ?? 'unknown',
    whyNot: () => undefined,
    primary: async () => 0,
    stop: () => middleman.stop(),
  };
};
