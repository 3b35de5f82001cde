/** What is said aloud by screen readers, and the notes that appear when something was done. */
import { signal } from '@preact/signals';
import type { ClusterEvent } from '../contract.ts';

export interface Note {
  readonly id: number;
  readonly tone: 'good' | 'bad' | 'info';
  readonly text: string;
}

export const notes = signal<readonly Note[]>([]);
/** The latest change of the cluster, in one sentence. */
export const announcement = signal('');

const NOTE_MS = 8000;
const NOTES_MAX = 4;
/** They come every few seconds, or belong to single clients: they would drown the rest. */
const UNSPOKEN = new Set(['sync-progress', 'session-replayed', 'client-refused', 'commit-late']);

let last = 0;

export function addNote(tone: Note['tone'], text: string): void {
  const id = ++last;
  notes.value = [...notes.value.slice(1 - NOTES_MAX), { id, tone, text }];
  // What went wrong stays until it was seen.
  if (tone !== 'bad') window.setTimeout(() => dropNote(id), NOTE_MS);
}

export function dropNote(id: number): void {
  notes.value = notes.value.filter((note) => note.id !== id);
}

export function announceEvent(event: ClusterEvent): void {
  if (!UNSPOKEN.has(event.type)) announcement.value = event.text;
}
