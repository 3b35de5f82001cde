import type { ClientConfig } from 'pg';
import { Client } from 'pg';

const open = new Set<Client>();

/** A connected node-postgres client; `withServers` ends those that the file leaves open. */
export async function connect(url: string, options: ClientConfig = {}): Promise<Client> {
  const client = new Client({ connectionString: url, ...options });
  // A server that is killed breaks idle clients too; without a listener that would end the test run.
  client.on('error', () => {});
  await client.connect();
  open.add(client);
  client.once('end', () => open.delete(client));
  return client;
}

export async function endOpenClients(): Promise<void> {
  await Promise.allSettled([...open].map((client) => client.end()));
}
