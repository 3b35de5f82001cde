/** Small hands for the parser's JSON: fields that are false, zero or empty are left out of it. */

export type Ast = Readonly<Record<string, unknown>>;

const NOTHING: Ast = Object.freeze({});

export function asNode(value: unknown): Ast {
  return typeof value === 'object' && value !== null ? (value as Ast) : NOTHING;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** The one node inside a wrapper: `{SelectStmt: {...}}` gives both its name and its content. */
export function unwrap(value: unknown): readonly [node: string, body: Ast] {
  const [node, body] = Object.entries(asNode(value))[0] ?? ['', NOTHING];
  return [node, asNode(body)];
}

/** The parts of a dotted name: `[{String: {sval: 'a'}}, ...]`; a `*` becomes an empty part. */
export function nameParts(value: unknown): readonly string[] {
  return list(value).map((part) => text(asNode(asNode(part).String).sval) ?? '');
}

/** A constant as text, whatever its type; undefined for anything else. */
export function constant(value: unknown): string | undefined {
  const [node, body] = unwrap(value);
  if (node === 'String') return text(body.sval) ?? '';
  if (node === 'Integer') return String(number(body.ival) ?? 0);
  if (node !== 'A_Const') return undefined;
  if (body.sval !== undefined) return text(asNode(body.sval).sval) ?? '';
  if (body.ival !== undefined) return String(number(asNode(body.ival).ival) ?? 0);
  if (body.fval !== undefined) return text(asNode(body.fval).fval) ?? '0';
  if (body.boolval !== undefined) return asNode(body.boolval).boolval === true ? 'true' : 'false';
  return undefined;
}
