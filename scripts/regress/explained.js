/** Which tests are known to differ, and by which documented refusal: tables in the page about compatibility. */

import { readFileSync } from 'node:fs';

const page = new URL('../../docs/reference/compatibility.md', import.meta.url);

/** By test. `heading`: of the table. */
export function readExplained(heading = '| test | reason |') {
  const text = readFileSync(page, 'utf8');
  const from = text.indexOf(heading);
  if (from < 0) throw new Error(`${page.pathname} holds no table "${heading}"`);
  const [table] = text.slice(from).split('\n\n', 1);
  return new Map(
    table
      .split('\n')
      .slice(2)
      .flatMap((row) => {
        const [, tests, reason] = row.split('|');
        return tests.split(',').map((name) => [name.replaceAll('`', '').trim(), reason.trim()]);
      }),
  );
}
