/** From servers and a configuration to a node that serves clients, with the tables that they work on. */

import { LockstepError, messageOf, systemClock } from '../../base/index.ts';
import { PlainClient } from '../postgres/plain-client.ts';
import { schemaFor } from './schema.ts';
import type { Stage } from './stage.ts';

const firstStartMs = 60_000;

/** The first start has no fault to wait for. */
export async function startNode({ node }: Stage): Promise<void> {
  const late = systemClock.after(firstStartMs, () => void node.kill9());
  const serves = await node.start();
  late();
  if (serves) return;
  throw new LockstepError({
    code: 'testing.no-node',
    message: `the node does not start: ${node.lastWords()}`,
  });
}

export async function makeTables({ address }: Pick<Stage, 'address'>, clients: number): Promise<void> {
  const client = await PlainClient.connect(address);
  try {
    await client.query(schemaFor(clients));
  } catch (error) {
    throw new LockstepError({
      code: 'testing.no-tables',
      message: `the tables of the rig could not be made: ${messageOf(error)}`,
      hint: 'members must be empty databases; what an earlier run left goes with: drop schema torture cascade',
      cause: error,
    });
  } finally {
    client.close();
  }
}
