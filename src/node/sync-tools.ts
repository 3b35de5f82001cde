/** What the engine needs of PostgreSQL and of this machine to bring members level. */

import { join } from 'node:path';
import type { SyncTools } from '../cluster/index.ts';
import type { Config } from '../config/index.ts';
import { FileNote } from '../coordination/index.ts';
import { PostgresDataSync } from '../dialects/postgres/index.ts';
import type { BuiltMembers } from './build-members.ts';
import { KeptRowsFile } from './kept-rows.ts';

export function syncTools(config: Config, built: BuiltMembers): SyncTools {
  const directory = join(config.state, 'kept');
  return {
    data: new PostgresDataSync({ pgDump: config.sync.pgDump, environment: process.env }),
    keepRows: (memberId) => new KeptRowsFile({ directory, memberId, now: new Date() }),
    note: new FileNote(join(config.state, 'verification.json')),
    // Its tables may have other numbers than when it was active last.
    prepare: ({ id }) => built.load(id),
  };
}
