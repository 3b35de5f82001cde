import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { enterWith, linkIsSpent, resume, session } from '../state/session.ts';
import { theme, toggleTheme } from '../state/theme.ts';
import { Field } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { ErrorNotice, Notice } from '../ui/notice.tsx';
import { useAction } from '../ui/use-action.ts';

export function Login(): JSX.Element {
  const now = session.value;
  const other = theme.value === 'dark' ? 'light' : 'dark';
  return (
    <main class="login">
      <div class="login-card">
        <div class="login-brand">
          <img src="/icon.svg" alt="" width="36" height="36" />
          <h1>Lockstep</h1>
          <button
            type="button"
            class="button quiet square"
            aria-label={`Use the ${other} theme`}
            onClick={toggleTheme}
          >
            <Icon name={theme.value === 'dark' ? 'sun' : 'moon'} />
          </button>
        </div>
        {now.state === 'asking' && <p role="status">Asking the node …</p>}
        {now.state === 'unreachable' && <ErrorNotice error={now.error} retry={() => void resume()} />}
        {now.state === 'signed-out' && (
          <>
            {now.because === 'expired' && (
              <Notice tone="warn" title="Your session has ended" urgent>
                <p>
                  Sign in again, and you are back where you were. A session ends after two hours in which
                  nobody looks, and whenever the node is started again. Work that goes on in the node does not
                  need it.
                </p>
              </Notice>
            )}
            {now.because === 'left' && (
              <Notice tone="good" urgent>
                <p>You have signed out.</p>
              </Notice>
            )}
            {linkIsSpent.value && (
              <Notice tone="warn" title="This link does not sign in any more" urgent>
                <p>
                  It works once, and for a quarter of an hour. A node that is started again prints a new one.
                </p>
              </Notice>
            )}
            {now.because === 'link-only' ? (
              <Notice tone="info" title="This node has no configuration yet">
                <p>
                  This page is opened by the link that <code>lockstep serve</code> has printed at its
                  terminal.
                </p>
              </Notice>
            ) : (
              <TokenForm />
            )}
          </>
        )}
      </div>
    </main>
  );
}

function TokenForm(): JSX.Element {
  const [token, setToken] = useState('');
  const [missing, setMissing] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const action = useAction();
  useEffect(() => {
    document.title = 'Sign in · Lockstep';
    input.current?.focus();
  }, []);
  const submit = async () => {
    setMissing(token.trim() === '');
    if (token.trim() !== '') await action.run(() => enterWith(token.trim()));
    input.current?.select();
  };
  const refused = action.error?.status === 401;
  const error = missing ? 'Enter the token.' : refused ? 'This is not the token of this node.' : undefined;
  return (
    <form
      class="login-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Field
        label="Access token"
        error={error}
        help={
          <>
            It is in the file <code>admin-token</code> in the state directory of the node. The one in{' '}
            <code>admin-token-read-only</code> lets you look, and change nothing.
          </>
        }
      >
        {(links) => (
          <input
            {...links}
            ref={input}
            class="input mono"
            type="password"
            autocomplete="current-password"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        )}
      </Field>
      {action.error !== undefined && !refused && <ErrorNotice error={action.error} />}
      <div class="unseen" role="alert">
        {error}
      </div>
      <button type="submit" class="button primary block" aria-disabled={action.busy}>
        {action.busy ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  );
}
