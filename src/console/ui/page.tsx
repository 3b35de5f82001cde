import type { ComponentChildren, JSX } from 'preact';

interface PageHeadProps {
  readonly title: string;
  /** What the page is for, in a sentence. */
  readonly text?: string;
  /** What can be done here. */
  readonly children?: ComponentChildren;
}

export function PageHead({ title, text, children }: PageHeadProps): JSX.Element {
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {text !== undefined && <p>{text}</p>}
      </div>
      {children !== undefined && <div class="page-tools">{children}</div>}
    </header>
  );
}

/** Nothing is known yet. */
export function Waiting(): JSX.Element {
  return (
    <p class="waiting" role="status">
      Asking the node …
    </p>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}
