/** Who may log in, and who is told what has happened: lists, which are shown here and changed in the file. */
import type { ComponentChildren, JSX } from 'preact';
import type { ConfigView } from '../../contract.ts';

/** A client or a hook. */
interface Entry {
  readonly name: string;
  readonly password?: unknown;
  readonly trust?: unknown;
  readonly on?: readonly string[];
  readonly run?: readonly string[];
}

/** As far as they matter here; a file that is wrong may have anything in their place. */
interface Listed {
  readonly username?: unknown;
  readonly clients?: unknown;
  readonly hooks?: unknown;
}

export function Lists({ config }: { readonly config: ConfigView }): JSX.Element {
  const { username, clients, hooks } = (config.values ?? {}) as Listed;
  const all = entries(clients);
  const told = entries(hooks);
  return (
    <details class="card group">
      <summary>
        <h3>Clients and hooks</h3>
        <span class="quiet-text">Who may log in, who is told what has happened</span>
      </summary>
      <div class="lists">
        <h4>Clients</h4>
        {all.length === 0 ? (
          <p class="quiet-text">Nobody may log in.</p>
        ) : (
          <ul>
            {all.map((entry) => (
              <li key={entry.name}>
                <strong>{entry.name}</strong>: {proofOf(entry, entry.name === username)}
              </li>
            ))}
          </ul>
        )}
        <Example>{'clients:\n  - app\n  - { name: report, password: { file: ./report.password } }'}</Example>
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
  return (list as readonly unknown[])
    .map((one) => (typeof one === 'string' ? { name: one } : (one as Entry)))
    .filter((one) => typeof one?.name === 'string');
}

function proofOf({ password, trust }: Entry, isOwn: boolean): string {
  if (isOwn) return 'the login with which Lockstep works, too';
  if (trust !== undefined) return 'no password, from the machine of the node only';
  if (password === undefined) return 'the password that the databases keep';
  if (typeof password !== 'object' || password === null) return 'password in the configuration file';
  const [[kind, where] = []] = Object.entries(password);
  return kind === 'env'
    ? `password in the environment variable ${String(where)}`
    : `password in the file ${String(where)}`;
}
