/** The program as an operator runs it, against the node of a test. */

import { join } from 'node:path';
import { program } from '../../../src/cli/wiring.ts';
import { FakeCli } from '../../cli/fake-cli.ts';
import type { FreshCluster } from '../../failure/fresh-cluster.ts';

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function lockstep(cluster: FreshCluster, ...words: readonly string[]): Promise<Ended> {
  const cli = new FakeCli(program);
  const status = await cli.run(...words, '--config', join(cluster.dir, 'lockstep.yaml'));
  return { status, stdout: cli.stdout, stderr: cli.stderr };
}
