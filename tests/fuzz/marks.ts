/** Each session has a mark that all it asks for bears, so that an answer shows whose it is. */

/** Stands in the corpus for the mark of whoever speaks; marks are as long. */
export const placeholder = 'mark0000';

const anyMark = /mark(\d{4})/g;

export function markOf(session: number): string {
  return `mark${String(session).padStart(4, '0')}`;
}

/** The same bytes, said by another. Where chance made another's mark of the placeholder, it is their own too. */
export function marked(bytes: Buffer, mark: string): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(anyMark, mark), 'latin1');
}

/** Marks of others in what a session was told. */
export function foreignMarks(heard: Buffer, own: string): readonly string[] {
  const found = new Set(Array.from(heard.toString('latin1').matchAll(anyMark), ([mark]) => mark));
  found.delete(own);
  found.delete(placeholder);
  return [...found];
}
