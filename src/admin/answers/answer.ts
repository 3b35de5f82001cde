/** What commands answer, as schemas: for the document that programs read. Each is held against its type by the compiler. */
import { z } from 'zod';

const registry = z.registry<{ readonly id: string }>();

/** `Shape` is what the schema has to say; a field that it lacks does not compile. */
export function answer<Shape>(id: string, schema: z.ZodType<Shape>): z.ZodType<Shape> {
  registry.add(schema, { id });
  return schema;
}

export const moment = z.iso.datetime().describe('ISO 8601');

/** How a document refers to it. */
export function answerReference(schema: z.ZodType): { readonly $ref: string } {
  const id = registry.get(schema)?.id;
  if (id === undefined) throw new Error('an answer has a name');
  return { $ref: referenceTo(id) };
}

/** Every answer by its name, as JSON schemas that refer to each other. */
export function answerSchemas(): Readonly<Record<string, object>> {
  const { schemas } = z.toJSONSchema(registry, { uri: referenceTo, unrepresentable: 'any' });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, embedded(schema)]));
}

/** Where and in what language it is written is said by the document around it. */
function embedded(schema: object): object {
  const { $schema: _, $id: __, ...rest } = schema as Readonly<Record<string, unknown>>;
  return rest;
}

function referenceTo(id: string): string {
  return `#/components/schemas/${id}`;
}
