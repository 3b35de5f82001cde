/** Who may log in, and who is told what has happened: lists, which are shown here and changed in the file. */
import type { ComponentChildren, JSX } from 'preact';
import type { ConfigView } from '../../contract.ts';

/** A user or a hook. */
interface Entry {
  readonly name: string;
  readonly password?: unknown;
  readonly on?: readonly string[];
  readonly run?: readonly string[];
}

/** As far as they matter here; a file that is wrong may have anything in their place. */
interface Listed {
  readonly username?: unknown;
  readonly password?: unknown;
  readonly users?: unknown;
  readonly hooks?: unknown;
}

export function Lists({ config }: { readonly config: ConfigView }): JSX.Element {
  const { username, password, users, hooks } = (config.values ?? {}) as Listed;
  const common = typeof username === 'string' ? [{ name: username, password }] : [];
  const all = [...common, ...entries(users)];
  const told = entries(hooks);
  return (
    <details class="card group">
      <summary>
        <h3>Users and hooks</h3>
        <span class="quiet-text">Who may log in, who is told what has happened</span>
      </summary>
      <div class="lists">
        <h4>Users</h4>
        <ul>
          {all.map(({ name, password: own }, place) => (
            <li key={name}>
              <strong>{name}</strong>: password {placeOf(own)}
              {place < common.length && ', the login that all databases share'}
            </li>
          ))}
        </ul>
        <Example>{'users:\n  - { name: report, password: { file: ./report.password } }'}</Example>
        <h4>Hooks</h4>
        {told.length === 0 ? (
          <p class="quiet-text">Nobody is told.</p>
        ) : (
          <ul>
            {told.map(({ name, on, run }) => (
              <li key={name}>
                <strong>{name}</strong>: {run === undefined ? 'a webhook' : `runs ${run[0]}`},{' '}
                {on === undefined ? 'of warnings and errors' : `of ${on.join(', ')}`}
              </li>
            ))}
          </ul>
        )}
        <Example>{'hooks:\n  - { name: mail, run: [/etc/lockstep/mail.sh] }'}</Example>
        <p>
          To add, change or remove one, edit <code class="breaks">{config.file}</code> on the machine of the
          node, and press <b>Read the file again</b> at the end of this page. Nothing has to be restarted for
          it.
        </p>
      </div>
    </details>
  );
}

function Example({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return (
    <details class="more-fields">
      <summary>How one is written in the file</summary>
      <pre class="statement-box">{children}</pre>
    </details>
  );
}

function entries(list: unknown): readonly Entry[] {
  if (!Array.isArray(list)) return [];
  return (list as readonly Entry[]).filter((one) => typeof one?.name === 'string');
}

function placeOf(password: unknown): string {
  if (password === undefined) return 'none';
  if (typeof password !== 'object' || password === null) return 'in the configuration file';
  const [[kind, where] = []] = Object.entries(password);
  return kind === 'env' ? `in the environment variable ${String(where)}` : `in the file ${String(where)}`;
}
