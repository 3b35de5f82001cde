import type { Command } from '../../admin/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { load } from './load.ts';

/** Asks the node of this configuration. */
export interface NodeClient {
  ask<Input, Output>(command: Command<Input, Output>, input: Input): Promise<Output>;
}

export async function nodeClient(io: CliIo, options: CommonOptions): Promise<NodeClient> {
  const config = await load(io, options);
  const { adminAddress, AdminClient } = await import('../../admin/index.ts');
  const client = new AdminClient(adminAddress(config.state));
  return { ask: (command, input) => client.call(command, input) };
}
