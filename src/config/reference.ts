/** docs/reference/configuration.md, made from the schema. */
import { z } from 'zod';
import { liveText } from './live-options.ts';
import { unwrap, walkSchema } from './schema-tree.ts';
import type { SchemaNode } from './schema-tree.ts';

export function renderConfigReference(): string {
  const tables = [...sections()].map(({ title, text, rows }) =>
    [
      `## ${title}`,
      '',
      ...(text === '' ? [] : [text, '']),
      '| option | default | allowed | meaning |',
      '|---|---|---|---|',
      ...rows,
      '',
    ].join('\n'),
  );
  return `${[INTRODUCTION, ...tables].join('\n').trimEnd()}\n`;
}

interface Table {
  readonly title: string;
  readonly text: string;
  readonly rows: string[];
}

/** One table per section, the top level first; a section inside a section has a table of its own. */
function sections(): Iterable<Table> {
  const tables = new Map<string, Table>([['', { title: 'Top level', text: '', rows: [] }]]);
  for (const { path, node } of walkSchema()) {
    const parent = tables.get(path.slice(0, -1).join('.'));
    const group = groupOf(node);
    if (node.option !== undefined) parent?.rows.push(row(path.at(-1) ?? '', node.option));
    if (group === undefined) continue;
    const full = path.join('.');
    tables.set(full, { title: `\`${full}\``, text: group, rows: [] });
    if (node.option === undefined) {
      parent?.rows.push(
        row(path.at(-1) ?? '', { default: '', allowed: 'section', text: `See [${full}](#${anchor(full)}).` }),
      );
    }
  }
  return tables.values();
}

/** What is said about a section, or about the items of a list; undefined for a plain option. */
function groupOf(node: SchemaNode): string | undefined {
  return node.schema instanceof z.ZodArray ? unwrap(node.schema.element).section?.text : node.section?.text;
}

function row(
  key: string,
  doc: { readonly default: string; readonly allowed: string; readonly text: string },
): string {
  return `| \`${key}\` | ${cell(doc.default)} | ${cell(doc.allowed)} | ${cell(doc.text)} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** As the usual renderers make anchors of headings. */
function anchor(title: string): string {
  return title.toLowerCase().replaceAll('.', '');
}

const INTRODUCTION = `# Configuration

One YAML file describes a cluster. \`lockstep config check\` reads it and names every problem with its file, line and key.
This page is made from the program's own schema by \`lockstep reference\`; do not edit it.

\`\`\`yaml
cluster: orders
dialect: postgres
username: lockstep
password: { env: ORDERS_PASSWORD }
members:
  - { id: db1, url: "postgres://db1.example:5432/orders" }
  - { id: db2, url: "postgres://db2.example:5432/orders" }
clients: [app]
listen: { postgres: "127.0.0.1:6432" }
state: ./state
\`\`\`

These keys are all that is needed; every further option has a default. Commands look for the file in \`--config\`, then in
the environment variable \`LOCKSTEP_CONFIG\`, then in \`./lockstep.yaml\`.

- Unknown keys are errors. So are two members with one id, or with one database.
- Names end in their unit: \`Ms\` is milliseconds. Sizes are a number of bytes, or a number with \`KiB\`, \`MiB\` or \`GiB\`.
- A secret is text, \`{ env: NAME }\` or \`{ file: path }\`; a newline at the end of such a file is dropped. A secret is never
  shown in logs, errors or command output.
- Paths are relative to the configuration file.
- A running node takes over, by \`lockstep reload\` or SIGHUP: ${liveText()}. Anything else that has changed in the file is
  named, and waits for a new start.
`;
