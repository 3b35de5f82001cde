import type { PostgresRequest } from '../../dialects/postgres/index.ts';
import { Frontend, readParse, readQuery } from '../../wire/postgres/index.ts';

/** What a request asks for, as the client wrote it. Undefined when that cannot be told. */
export function statementText(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || !('messages' in request)) return undefined;
  for (const message of (request as PostgresRequest).messages) {
    const frame = message.kind === 'uses' ? message.statement.parse : message.frame;
    if (frame === undefined) continue;
    try {
      if (frame[0] === Frontend.Query) return readQuery(frame).toString();
      if (frame[0] === Frontend.Parse) return readParse(frame).query.toString();
    } catch {
      // The beginning of a large one.
    }
  }
  return undefined;
}
