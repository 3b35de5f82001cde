/** Walks the schema by key path, for messages and for the reference page. */
import { z } from 'zod';
import { optionDocs, sectionDocs } from './option.ts';
import type { OptionDoc, SectionDoc } from './option.ts';
import type { KeyPath } from './problem.ts';
import { configSchema } from './schema.ts';

/** One place in the schema, wrappers taken off. */
export interface SchemaNode {
  readonly schema: z.core.$ZodType;
  readonly option?: OptionDoc;
  readonly section?: SectionDoc;
}

export function schemaAt(path: KeyPath): SchemaNode | undefined {
  let node: SchemaNode | undefined = unwrap(configSchema);
  for (const part of path) {
    if (node === undefined) return undefined;
    const next = step(node.schema, part);
    node = next === undefined ? undefined : unwrap(next);
  }
  return node;
}

/** The keys that may stand in the section at `path`. */
export function keysAt(path: KeyPath): readonly string[] {
  const node = schemaAt(path);
  return node?.schema instanceof z.ZodObject ? Object.keys(node.schema.shape) : [];
}

/** Every option and section, in the order of the schema; lists are entered without an index. */
export function* walkSchema(
  path: readonly string[] = [],
  schema: z.core.$ZodType = configSchema,
): Generator<{
  readonly path: readonly string[];
  readonly node: SchemaNode;
}> {
  const node = unwrap(schema);
  if (path.length > 0) yield { path, node };
  const inner = node.schema instanceof z.ZodArray ? unwrap(node.schema.element).schema : node.schema;
  if (!(inner instanceof z.ZodObject)) return;
  for (const [key, value] of Object.entries(inner.shape)) {
    yield* walkSchema([...path, key], value as z.core.$ZodType);
  }
}

/** Takes off `optional`, `default`, `prefault` and the short form of a section, picking up what was said about any of the layers. */
export function unwrap(schema: z.core.$ZodType): SchemaNode {
  const option = optionDocs.get(schema);
  const section = sectionDocs.get(schema);
  if (schema instanceof z.ZodPipe && schema.out instanceof z.ZodObject) return unwrap(schema.out);
  const wrapped =
    schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  const inner: SchemaNode = wrapped ? unwrap(schema.unwrap()) : { schema };
  return { ...inner, ...(option && { option }), ...(section && { section }) };
}

function step(schema: z.core.$ZodType, part: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodArray) return schema.element;
  // Of the shape itself: `constructor` is no option.
  if (schema instanceof z.ZodObject && Object.hasOwn(schema.shape, part))
    return schema.shape[part] as z.core.$ZodType | undefined;
  return undefined;
}
