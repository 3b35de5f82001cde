/** COPY for node-postgres, which leaves it to others. Simple or extended, as the client's way is. */

import type { Connection, Submittable } from 'pg';
import type { ConstructClient } from './construct-client.ts';

/** Sends `data` for a COPY … FROM STDIN. */
export async function copyIn(client: ConstructClient, sql: string, data: string): Promise<void> {
  await run(client, sql, Buffer.from(data));
}

/** What a COPY … TO STDOUT gives. */
export function copyOut(client: ConstructClient, sql: string): Promise<string> {
  return run(client, sql, undefined);
}

function run(client: ConstructClient, sql: string, data: Buffer | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let synced = data === undefined;
    const received: Buffer[] = [];
    const extended = client.way !== 'simple';
    const submittable = {
      submit: (connection: Connection) => {
        if (!extended) return connection.query(sql);
        connection.parse({ name: '', text: sql, types: [] }, true);
        connection.bind({}, true);
        connection.execute({}, true);
        // A Sync would be taken for the end of the data.
        if (data === undefined) connection.sync();
        else connection.flush();
      },
      handleCopyInResponse: (connection: Connection & CopyConnection) => {
        connection.sendCopyFromChunk(data ?? Buffer.alloc(0));
        connection.endCopyFrom();
        if (extended) connection.sync();
        synced = true;
      },
      handleCopyData: ({ chunk }: { readonly chunk: Buffer }) => void received.push(Buffer.from(chunk)),
      handleCommandComplete: () => undefined,
      // The driver speaks of nothing else to a query that has failed.
      handleError: (error: Error, connection: Connection) => {
        if (extended && !synced) connection.sync();
        reject(error);
      },
      handleReadyForQuery: () => resolve(Buffer.concat(received).toString()),
    };
    client.pg.query(submittable as unknown as Submittable);
  });
}

interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}
