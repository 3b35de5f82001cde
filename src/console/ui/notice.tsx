import type { ComponentChildren, JSX } from 'preact';
import type { ApiError } from '../api/request.ts';
import { Icon } from './icon.tsx';

export type NoticeTone = 'info' | 'good' | 'warn' | 'bad';

interface NoticeProps {
  readonly tone: NoticeTone;
  readonly title?: string;
  readonly children?: ComponentChildren;
  /** Read out at once when it appears. */
  readonly urgent?: boolean;
}

export function Notice({ tone, title, children, urgent = false }: NoticeProps): JSX.Element {
  return (
    <div class={`notice ${tone}`} role={urgent ? 'alert' : undefined}>
      <Icon name={tone} />
      <div class="notice-text">
        {title !== undefined && <strong>{title}</strong>}
        {children}
      </div>
    </div>
  );
}

/** What went wrong, and what to do about it. */
export function ErrorNotice({
  error,
  retry,
}: {
  readonly error: ApiError;
  readonly retry?: () => void;
}): JSX.Element {
  return (
    <Notice tone="bad" title={error.message} urgent>
      {error.hint !== undefined && <p class="pre">{error.hint}</p>}
      <p class="code-line">{error.code}</p>
      {retry !== undefined && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </Notice>
  );
}
