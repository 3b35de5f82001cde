/** What is asked about a member, from whatever page: one question at a time, in front of that page. */
import { signal } from '@preact/signals';
import type { Remedy } from '../text/reasons.ts';

export interface Ask {
  readonly what: Remedy | 'deactivate' | 'remove';
  readonly id: string;
}

export const ask = signal<Ask | undefined>(undefined);
