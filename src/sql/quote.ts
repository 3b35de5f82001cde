/** `name` as an identifier that reads the same whatever keywords or case rules apply. */
export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * `text` as a literal that reads the same with standard_conforming_strings on and off. The blank before E keeps it
 * from growing together with a word in front.
 */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}
