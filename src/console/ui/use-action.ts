/** Something asked of the node: whether it is under way, and how it failed. */
import { useRef, useState } from 'preact/hooks';
import { ApiError } from '../api/request.ts';

export interface Action {
  readonly busy: boolean;
  readonly error: ApiError | undefined;
  /** Resolves to undefined when it failed; the error is shown then. A second one waits for nobody: it is not begun. */
  run<T>(work: () => Promise<T>): Promise<T | undefined>;
  clear(): void;
}

export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const running = useRef(false);
  return {
    busy,
    error,
    clear: () => setError(undefined),
    run: async (work) => {
      if (running.current) return undefined;
      running.current = true;
      setBusy(true);
      setError(undefined);
      try {
        return await work();
      } catch (thrown) {
        setError(asApiError(thrown));
        return undefined;
      } finally {
        running.current = false;
        setBusy(false);
      }
    },
  };
}

function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  return new ApiError(0, { error: { code: 'console.internal', message: String(thrown) } });
}
