import { onTestFinished } from 'vitest';
import type { SessionListener } from '../../../src/dialects/contract.ts';
import { connect } from '../../../src/dialects/postgres/connect.ts';
import type { Address, Login } from '../../../src/dialects/postgres/connect.ts';
import { PostgresSessionLink } from '../../../src/dialects/postgres/index.ts';
import { openSpool } from '../../../src/dialects/spool.ts';
import { frontend } from '../../../src/wire/postgres/index.ts';

const deaf: SessionListener = { unasked: () => undefined, lost: () => undefined };

/** A session's link to a server that need not be a member, closed when the test ends. */
export async function bareLink(
  address: Address,
  login: Login,
  listener: SessionListener = deaf,
): Promise<PostgresSessionLink> {
  const settings = {
    maxMessageBytes: 1 << 20,
    spool: () => openSpool({ directory: '.', memoryBytes: 1 << 20 }),
    deferred: () => false,
    tableOid: (oid: number) => oid,
    builds: () => undefined,
    judgeNested: (stack: Buffer) => ({ length: stack.length }),
    functions: { call: () => frontend.functionCall({ oid: 1, values: [] }) },
  };
  const connection = await connect(address, login);
  const link = new PostgresSessionLink(address.memberId, address, connection, settings, listener);
  onTestFinished(() => link.close());
  return link;
}
