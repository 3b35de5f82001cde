/** A name before a dot, in the text of a query as the server writes it. */
const qualifier = /(?:"(?:[^"]|"")+"|[a-z_][\w$]*)\.(?=["a-z_*])/gi;

/**
 * A definition in the words that all versions have in common. Since version 16 a query over one table names its columns
 * without the table, since 14 a procedure's arguments carry their IN, and an extension's version goes with the server's.
 */
export function acrossVersions(object: string, text: string): string {
  if (/^(view|materialized view|rule|policy) /.test(object)) {
    const reads = /^reads .*\n/m.exec(text)?.[0] ?? '';
    return `${reads}${text.replace(/^reads .*\n/m, '').replaceAll(qualifier, '')}`;
  }
  if (object.startsWith('extension ')) return text.replace(/^version \S+ /, '');
  if (object.startsWith('procedure '))
    return unqualifiedBody(text.replace(/^.*$/m, (head) => head.replaceAll(/([(,]\s*)IN /g, '$1')));
  if (object.startsWith('function ')) return unqualifiedBody(text);
  return text;
}

/** Only a body that the server parsed when it was made is written by the server; any other is the author's own text. */
function unqualifiedBody(text: string): string {
  const start = text.search(/^(BEGIN ATOMIC|RETURN )/m);
  return start < 0 ? text : text.slice(0, start) + text.slice(start).replaceAll(qualifier, '');
}

/** Objects that not every version has, and what says the same on all. */
export function isOfOneVersion(object: string): boolean {
  return object.startsWith('not null constraint ');
}
