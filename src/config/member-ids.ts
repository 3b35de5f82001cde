import { readFile } from './load-config.ts';
import { SourceText } from './source-text.ts';

/** The ids of the members in a file, as far as they can be read; for suggestions, so it never rejects. */
export async function memberIds(path: string): Promise<readonly string[]> {
  try {
    const { value } = new SourceText((await readFile(path)).text);
    const { members } = value as { readonly members?: unknown };
    if (!Array.isArray(members)) return [];
    return members.flatMap((member: unknown) => {
      const id = typeof member === 'object' && member !== null && 'id' in member ? member.id : undefined;
      return typeof id === 'string' ? [id] : [];
    });
  } catch {
    return [];
  }
}
