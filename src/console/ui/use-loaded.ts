/** Something that a page needs from the node before it can show itself. */
import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api/request.ts';
import { useAction } from './use-action.ts';

export interface Loaded<T> {
  /** Undefined until it is there; what there was stays while it is asked for again. */
  readonly value: T | undefined;
  readonly busy: boolean;
  readonly error: ApiError | undefined;
  readonly reload: () => Promise<void>;
}

/** Asked for at once, and again whenever one of `changes` does. */
export function useLoaded<T>(load: () => Promise<T>, changes: readonly unknown[]): Loaded<T> {
  const [value, setValue] = useState<{ readonly it: T }>();
  const action = useAction();
  const reload = async () => {
    const answer = await action.run(async () => ({ it: await load() }));
    if (answer !== undefined) setValue(answer);
  };
  useEffect(() => void reload(), [...changes]);
  return { value: value?.it, busy: action.busy, error: action.error, reload };
}
