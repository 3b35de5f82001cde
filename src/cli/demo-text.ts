/** What the demo prints. Every line of it can be copied and works as it stands. */
import type { RunningDemo } from './program.ts';

export function demoText(demo: RunningDemo): string {
  const url = connectionUrl(demo.connection);
  return `
Lockstep keeps these ${demo.members.length} databases identical:
${demo.members.map(({ id, url: member }) => `  ${id}  ${member}`).join('\n')}

Talk to them as to one, at ${demo.address}:

  psql "${url}"

or with node-postgres (npm install pg), saved as try.mjs and run with node try.mjs:

${indent(snippet(url))}

To see the members:

  npx lockstep status --config "${demo.configFile}"

or in a browser, at ${demo.adminUrl}, where this is the token:

  cat "${demo.tokenFile}"

Ctrl-C stops everything. The data stays for the next start.
`;
}

/** The program that the demo suggests. */
export function snippet(url: string): string {
  return `import pg from 'pg';

const client = new pg.Client('${url}');
await client.connect();
await client.query('CREATE TABLE IF NOT EXISTS visits (id serial PRIMARY KEY, at timestamptz DEFAULT now(), luck float8 DEFAULT random())');
await client.query('INSERT INTO visits DEFAULT VALUES');
console.table((await client.query('SELECT * FROM visits ORDER BY id DESC LIMIT 5')).rows);
await client.end();`;
}

/** Safe inside double quotes of a shell and single quotes of JavaScript, whatever the password is. */
export function connectionUrl(connection: RunningDemo['connection']): string {
  const { host, port, username, password, database } = connection;
  const login = password === undefined ? encode(username) : `${encode(username)}:${encode(password)}`;
  const place = host.includes(':') ? `[${host}]` : host;
  return `postgresql://${login}@${place}:${port}/${encode(database)}`;
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}
