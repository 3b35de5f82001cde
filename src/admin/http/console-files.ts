/** The console's files as they were built: read when they are asked for, and nothing outside of their directory. */
import { readFile, realpath } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';

export interface ConsoleFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Its name changes with what is in it. */
  readonly lasting: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** Undefined: there is no such file. Paths without an ending are the console's own pages. */
export async function readConsoleFile(directory: string, path: string): Promise<ConsoleFile | undefined> {
  const name = extname(path) === '' ? '/index.html' : path;
  const type = TYPES[extname(name)];
  if (type === undefined || name.includes('\0')) return undefined;
  try {
    const root = await realpath(directory);
    const file = await realpath(join(root, name));
    if (!file.startsWith(root + sep)) return undefined;
    return { body: new Uint8Array(await readFile(file)), type, lasting: name.startsWith('/assets/') };
  } catch {
    return undefined;
  }
}

export const consoleNotBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Lockstep</title>
<h1>This node runs, but its console is not built</h1>
<p>Run <code>npm run build</code> in the folder of Lockstep, and load this page again. The node need not be restarted.</p>
<p>Meanwhile everything can be done with the command line: <code>lockstep status</code>, <code>lockstep --help</code>;
or by programs at <code>/api</code>.</p>
</html>
`;
