import { expect, test } from 'vitest';
import { ApplyPipeline } from '../../../src/dialects/postgres/apply-pipeline.ts';
import { csvLines } from '../../../src/dialects/postgres/csv-lines.ts';
import { quoteLiteral } from '../../../src/sql/index.ts';
import { withServers } from '../../support/index.ts';
import { connectMember } from './member-connection.ts';

const servers = withServers(1);

const texts = [
  '',
  ' ',
  '\\',
  '\\.',
  '\\N',
  '"',
  '""',
  '(',
  ')',
  ')(',
  ',',
  ';',
  '\n\\.\n',
  '\r',
  'NULL',
  'ü',
];

test('csv lines: COPY reads from them what the images say, whatever a text holds', async () => {
  const connection = await connectMember(servers.server(0));
  const values = texts.flatMap((a) => texts.map((b) => `(${quoteLiteral(a)}, ${quoteLiteral(b)})`));
  await connection.query(`CREATE TABLE source (a text, b text); CREATE TABLE single (a text);
    INSERT INTO source VALUES ${values.join(', ')}, (NULL, ''), ('x', NULL), (NULL, NULL);
    INSERT INTO single SELECT DISTINCT a FROM source`);
  for (const table of ['source', 'single']) {
    const images = await connection.rows(`SELECT (t.*)::text FROM ${table} t`);
    await connection.query(`CREATE TABLE ${table}_copied (LIKE ${table})`);
    const pipeline = new ApplyPipeline(connection);
    const data = csvLines(Buffer.from(images.map(([image]) => image).join('')));
    pipeline.addCopy('copy', `COPY ${table}_copied FROM STDIN (FORMAT csv)`, { data, rows: images.length });
    pipeline.add('behind', 'SELECT 1');
    await pipeline.send();
    await connection.query('DEALLOCATE ALL');
    const all = (one: string, other: string): string =>
      `(SELECT * FROM ${one} EXCEPT ALL SELECT * FROM ${other})`;
    const copied = `${table}_copied`;
    expect(await connection.rows(`${all(table, copied)} UNION ALL ${all(copied, table)}`)).toEqual([]);
  }
});

test('csv lines: rows that a trigger swallows are missed', async () => {
  const connection = await connectMember(servers.server(0));
  await connection.query(`CREATE TABLE swallowing (a text);
    CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER swallow BEFORE INSERT ON swallowing FOR EACH ROW WHEN (NEW.a = 'b') EXECUTE FUNCTION swallow()`);
  const pipeline = new ApplyPipeline(connection);
  const data = csvLines(Buffer.from('(a)(b)(c)'));
  pipeline.addCopy('copy', 'COPY swallowing FROM STDIN (FORMAT csv)', { data, rows: 3 });
  await expect(pipeline.send()).rejects.toThrow('3 rows were to be copied, 2 were');
});
