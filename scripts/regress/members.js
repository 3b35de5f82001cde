/** What is asked of the members when a suite is over. */

/** How they differ, asked of the members themselves: every definition, sequence and row. Undefined: they do not. */
export async function apart(members, database) {
  const { compareMembers, describeDifferences, PlainClient } = await import('../../dist/testing/index.js');
  const open = await Promise.all(
    members.map(({ port }) => PlainClient.connect({ port, user: 'postgres', database, deadlineMs: 300_000 })),
  );
  try {
    const asks = open.map((client, index) => [`db${index + 1}`, (sql) => client.query(sql)]);
    const found = await compareMembers(Object.fromEntries(asks), { rowsMax: 5 });
    return found.length === 0
      ? undefined
      : `they differ in ${found.length} things:\n${describeDifferences(found)}`;
  } catch (error) {
    return `they could not be compared: ${error.message}`;
  } finally {
    for (const client of open) client.close();
  }
}

/** What the node's program has said. */
export function said({ status, stdout, stderr }) {
  return `status ${status}: ${`${stdout}\n${stderr}`.trim()}`;
}
