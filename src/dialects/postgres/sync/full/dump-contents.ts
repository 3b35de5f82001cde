/** Reads pg_restore's table of contents: what is to be made on the target, in which order, and what can be made side by side. */

export interface DumpPlan {
  /** Numbers, in the source's catalog, of the defaults and constraints that are made by statements of their own. */
  readonly separate: ReadonlySet<number>;
  /** Before the rows. */
  readonly structure: readonly string[];
  /** After the rows: each list belongs to one table, and the lists can be made side by side. */
  readonly indexes: readonly (readonly string[])[];
  /** After these, in order. */
  readonly rest: readonly string[];
}

/** Lockstep makes its own; the database and its schema `public` are there already and are made equal by other means. */
const leftOut = [
  /^\d+; \d+ \d+ TRIGGER .* !lockstep_\w+ /,
  /^\d+; \d+ \d+ EVENT TRIGGER - lockstep_guard_\w+ /,
  /^\d+; \d+ \d+ (DATABASE|DATABASE PROPERTIES) /,
  /^\d+; \d+ \d+ SCHEMA - (public|lockstep) /,
  /^\d+; \d+ \d+ (COMMENT|ACL|SECURITY LABEL) - (DATABASE .*|SCHEMA (public|lockstep)) /,
];

const holdsRows = /^\d+; \d+ \d+ (TABLE|MATERIALIZED VIEW) /;
const indexOrKey = /^\d+; \d+ \d+ (INDEX(?! ATTACH )|CONSTRAINT) /;

/** What pg_dump calls post-data. Its list does not tell the sections apart. */
const afterRows =
  /^\d+; \d+ \d+ (INDEX|INDEX ATTACH|(CHECK |FK )?CONSTRAINT|(EVENT )?TRIGGER|RULE|POLICY|ROW SECURITY|STATISTICS|PUBLICATION( TABLES? IN SCHEMA| TABLE)?|DEFAULT ACL) /;

/** pg_attrdef and pg_constraint. */
const ownStatement = /^\d+; (?:2604|2606) (\d+) (?:DEFAULT|CHECK CONSTRAINT) /gm;

/** `list`: with dependencies. Whatever depends on something made after the rows is made after them too. */
export function planDump(list: string): DumpPlan {
  const structure: string[] = [];
  const byTable = new Map<string, string[]>();
  const rest: string[] = [];
  const tables = new Set<string>();
  const late = new Set<string>();
  for (const { line, id, dependsOn } of entries(list)) {
    if (!afterRows.test(line) && !dependsOn.some((other) => late.has(other))) {
      if (holdsRows.test(line)) tables.add(id);
      structure.push(line);
      continue;
    }
    late.add(id);
    const table = indexOrKey.test(line) ? dependsOn.find((other) => tables.has(other)) : undefined;
    if (table === undefined) rest.push(line);
    else byTable.set(table, [...(byTable.get(table) ?? []), line]);
  }
  const separate = new Set<number>();
  for (const [, oid] of list.matchAll(ownStatement)) separate.add(Number(oid));
  return { separate, structure, indexes: [...byTable.values()], rest };
}

interface DumpEntry {
  readonly line: string;
  readonly id: string;
  dependsOn: readonly string[];
}

function entries(list: string): readonly DumpEntry[] {
  const found: DumpEntry[] = [];
  for (const line of list.split('\n')) {
    const dependencies = /^;\s+depends on: (.*)$/.exec(line)?.[1];
    const last = found.at(-1);
    const id = /^(\d+); /.exec(line)?.[1];
    if (dependencies !== undefined && last !== undefined) last.dependsOn = dependencies.trim().split(/\s+/);
    else if (id !== undefined) found.push({ line, id, dependsOn: [] });
  }
  return found.filter(({ line }) => !leftOut.some((pattern) => pattern.test(line)));
}

/**
 * What only psql understands is taken out, and settings that the target's version does not have, as pg_restore would pass over
 * them.
 */
export function plainStatements(text: string, knownSettings: ReadonlySet<string>): string {
  const key = /^\\restrict (\S+)$/m.exec(text)?.[1];
  const plain =
    key === undefined ? text : text.replace(`\\restrict ${key}\n`, '').replace(`\\unrestrict ${key}\n`, '');
  const start = plain.indexOf('\n--\n-- Name: ');
  const head = start < 0 ? plain : plain.slice(0, start);
  const kept = head
    .split('\n')
    .filter((line) => {
      const setting = /^SET (\w+) = /.exec(line)?.[1];
      return setting === undefined || knownSettings.has(setting);
    })
    .join('\n');
  return start < 0 ? kept : kept + plain.slice(start);
}
