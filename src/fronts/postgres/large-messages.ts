/** What a message asks for that is too large to be held: it goes to the primary, and what follows of it through the node. */

import type { Work } from '../../cluster/index.ts';
import type { RequestMessage } from '../../dialects/postgres/index.ts';
import { classifyHead } from '../../sql/index.ts';
import { Frontend, HEADER_BYTES, readBindNames } from '../../wire/postgres/index.ts';
import type { ByteQueue } from './byte-queue.ts';
import { refused } from './front-errors.ts';
import { simpleRequest } from './requests.ts';
import type { BookedStatement, StatementBook } from './statement-book.ts';

/** A Query of which `head` is here and `rest` still comes. Throws when its beginning shows that it cannot be carried. */
export function largeQuery(head: Buffer, totalBytes: number, rest: ByteQueue): Work {
  const statement = classifyHead(head.subarray(HEADER_BYTES), totalBytes);
  if (statement.refusal !== undefined) throw refused(statement.refusal);
  return largeWork({ ...simpleRequest(head), rest }, totalBytes);
}

/** Whether a Parse is refused unless all of its text is here. */
export function isRefusedUnseen(head: Buffer, totalBytes: number): boolean {
  return classifyHead(textOf(head), totalBytes).refusal !== undefined;
}

/** A Parse or a Bind, which goes by itself: the rest of its batch follows in the same transaction. */
export function largeExtended(
  type: number,
  head: Buffer,
  totalBytes: number,
  rest: ByteQueue,
  book: StatementBook,
): Work {
  const message = type === Frontend.Parse ? largeParse(head, totalBytes, book) : largeBind(head, book);
  return largeWork({ protocol: 'extended', messages: [message], rest }, totalBytes);
}

function largeWork(request: unknown, bytes: number): Work {
  return { request, effect: 'write', takesInput: true, unknownSize: true, bytes };
}

function largeParse(head: Buffer, totalBytes: number, book: StatementBook): RequestMessage {
  const name = head.toString('latin1', HEADER_BYTES, head.indexOf(0, HEADER_BYTES));
  const text = textOf(head);
  const draft = classifyHead(text, totalBytes);
  if (draft.refusal !== undefined) throw refused(draft.refusal);
  const statement: BookedStatement = {
    name,
    parse: undefined,
    confirmed: false,
    statement: { ...draft, start: 0, end: text.length },
    text,
    local: false,
    parameterTypes: [],
  };
  book.addStatement(statement);
  return { kind: 'parse', frame: head, statement };
}

/** Of a Parse, as far as it is here. */
function textOf(head: Buffer): Buffer {
  return head.subarray(head.indexOf(0, HEADER_BYTES) + 1);
}

function largeBind(head: Buffer, book: StatementBook): RequestMessage {
  const { portal, statement: name } = readBindNames(head);
  const statement = book.statement(name);
  book.addPortal(portal, statement);
  return statement === undefined ? { kind: 'plain', frame: head } : { kind: 'uses', frame: head, statement };
}
