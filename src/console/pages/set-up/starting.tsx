/** The file is written: the node starts, and this page gives way to its console. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { getSetUp } from '../../api/calls.ts';
import { ApiError } from '../../api/request.ts';
import type { SetUpState } from '../../contract.ts';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';

const AGAIN_MS = 500;

export function Starting(): JSX.Element {
  const [now, setNow] = useState<SetUpState>();
  const [gone, setGone] = useState<ApiError>();
  useEffect(() => {
    let timer: number | undefined;
    let left = false;
    const look = async (): Promise<void> => {
      try {
        const state = await getSetUp();
        if (left) return;
        setNow(state);
        if (state.link !== null) window.location.replace(state.link);
        else if (state.state === 'starting') timer = window.setTimeout(() => void look(), AGAIN_MS);
      } catch (error) {
        if (!left && error instanceof ApiError) setGone(error);
      }
    };
    void look();
    return () => {
      left = true;
      window.clearTimeout(timer);
    };
  }, []);
  const link = now?.link ?? null;
  return (
    <div class="card set-up-card">
      {gone !== undefined ? (
        <Notice tone="warn" title="The node does not answer here any more" urgent>
          <p>The terminal in which it was started says how it goes on.</p>
        </Notice>
      ) : now?.error != null ? (
        <>
          <ErrorNotice error={new ApiError(500, { error: now.error })} />
          <p>
            The file <code class="breaks">{now.file}</code> is written, and the node has not started. Put
            right what is said above, and start it again: <code>lockstep serve</code>.
          </p>
        </>
      ) : now?.state === 'running' && link === null ? (
        <Notice tone="good" title="The node runs">
          <p>It has no console. You can close this page.</p>
        </Notice>
      ) : (
        <p role="status">
          The file is written. The node looks at its databases and starts; its console opens here by itself …
        </p>
      )}
      {link !== null && (
        <p>
          <a href={link}>Open the console</a>
        </p>
      )}
    </div>
  );
}
