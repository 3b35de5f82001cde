import type { JSX } from 'preact';
import type { ConfigView } from '../../contract.ts';

/** The file as it is, comments and all: for whoever wants to see what was saved. */
export function ConfigFile({ config }: { readonly config: ConfigView }): JSX.Element {
  return (
    <details class="card group">
      <summary>
        <h2>The configuration file</h2>
        <span class="quiet-text breaks">{config.file}</span>
      </summary>
      <pre class="statement-box file" tabIndex={0} aria-label="Text of the configuration file">
        {config.text}
      </pre>
    </details>
  );
}
