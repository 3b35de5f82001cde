/** Plants a mutant in a test build: `MUTANT=name npx vitest run <the check that must fail>`. Nothing of it is in the product. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants } from './list.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The one file in which the mutant's anchor stands, once. Throws where that is not so: then the mutant has to follow the code. */
export function placeOf(name) {
  const mutant = mutants[name];
  if (mutant === undefined)
    throw new Error(`there is no mutant ${name}; there are ${Object.keys(mutants).join(', ')}`);
  const found = [];
  for (const path of sources()) {
    const times = readFileSync(path, 'utf8').split(mutant.anchor).length - 1;
    for (let n = 0; n < times; n++) found.push(path);
  }
  const [path] = found;
  if (found.length === 1 && path !== undefined) return relative(root, path);
  throw new Error(
    `the anchor of mutant ${name} stands ${found.length} times in src; it has to stand there once:\n${mutant.anchor}`,
  );
}

export function plant(name) {
  const path = join(root, placeOf(name));
  const { anchor, replacement } = mutants[name];
  return {
    name: 'mutant',
    enforce: 'pre',
    transform: (code, id) =>
      id.split('?')[0] === path ? { code: code.replace(anchor, () => replacement), map: null } : undefined,
  };
}

function sources() {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
