/** What is entered about a database, and what of it is sent. */
import type { JSX } from 'preact';
import type { ApiError } from '../../api/request.ts';
import type { Candidate, NewMember } from '../../contract.ts';
import { Choices, TextField } from '../../ui/field.tsx';
import { Icon } from '../../ui/icon.tsx';
import { takeUrlApart } from '../../text/take-apart.ts';
import { mayTypeSecrets, secretWords } from './typed-secrets.ts';

export interface DatabaseEntry {
  readonly id: string;
  readonly url: string;
  readonly weight: string;
  readonly username: string;
  readonly secret: 'same' | 'file' | 'env' | 'here';
  /** The path, the name of the variable, or the password itself. */
  readonly where: string;
}

export const emptyEntry = (id: string): DatabaseEntry => ({
  id,
  url: '',
  weight: '1',
  username: '',
  secret: 'same',
  where: '',
});

/** What a pasted URL carries goes where it belongs. The password is not shown in the URL, and not kept in it. */
export function tidied(entry: DatabaseEntry): DatabaseEntry {
  const parts = takeUrlApart(entry.url);
  if (parts === undefined) return entry;
  const { url, username, password } = parts;
  return {
    ...entry,
    url,
    ...(username !== undefined && { username }),
    ...(password !== undefined && mayTypeSecrets && { secret: 'here' as const, where: password }),
  };
}

/** How the database is reached: what a test of it needs. */
export function accessOf({ url, username, secret, where }: DatabaseEntry) {
  return {
    url: url.trim(),
    ...(username.trim() !== '' && { username: username.trim() }),
    ...(secret === 'file' && { password: { file: where.trim() } }),
    ...(secret === 'env' && { password: { env: where.trim() } }),
    ...(secret === 'here' && { password: where }),
  };
}

/** For a test under its name. What is no name is refused when it is added. */
export function candidateOf(entry: DatabaseEntry): Candidate {
  const id = entry.id.trim();
  return { ...accessOf(entry), ...(/^[a-z0-9_-]{1,63}$/.test(id) && { id }) };
}

export function inputOf(entry: DatabaseEntry): NewMember {
  const weight = weightOf(entry);
  return { id: entry.id.trim(), ...accessOf(entry), ...(weight !== undefined && { weight }) };
}

/** What is no number is sent as it was entered, so that the node says what it wants. */
export function weightOf({ weight }: DatabaseEntry): number | undefined {
  return weight.trim() === '' ? undefined : Number(weight);
}

const WHERE = { file: 'Path of the file', env: 'Name of the variable', here: 'The password' } as const;

interface FormProps {
  readonly entry: DatabaseEntry;
  readonly onChange: (entry: DatabaseEntry) => void;
  readonly error: ApiError | undefined;
  /** The id is given once. */
  readonly isNew: boolean;
}

export function DatabaseForm({ entry, onChange, error, isNew }: FormProps): JSX.Element {
  const set = (part: Partial<DatabaseEntry>) => onChange({ ...entry, ...part });
  const refused = errorAt(error, 'username') ?? errorAt(error, 'password');
  const ownLogin = entry.username !== '' || entry.secret !== 'same' || refused !== undefined;
  return (
    <>
      {isNew && (
        <TextField
          label="Name"
          value={entry.id}
          error={errorAt(error, 'id')}
          help="Its name in this console, in events and records, such as db2. It does not change later."
          onInput={(id) => set({ id })}
        />
      )}
      <TextField
        label="URL"
        value={entry.url}
        error={errorAt(error, 'url')}
        placeholder="postgres://server:5432/database"
        help="Server, port and database. What is pasted from JDBC is understood; a user and a password in it are put into their own fields."
        mono
        onInput={(url) => set({ url })}
        onLeave={() => onChange(tidied(entry))}
      />
      <TextField
        label="Weight"
        value={entry.weight}
        error={errorAt(error, 'weight')}
        help="Its share of the reads, 0 to 100, compared with the others. 0: read from only as a last resort."
        onInput={(weight) => set({ weight })}
      />
      <details class="more-fields" open={ownLogin || !isNew}>
        <summary>Its own user name or password</summary>
        <div class="more-fields-body">
          <TextField
            label="User name (optional)"
            value={entry.username}
            error={errorAt(error, 'username')}
            help="Empty: the one that all databases share."
            onInput={(username) => set({ username })}
          />
          <Choices
            legend="Password"
            value={entry.secret}
            choices={[
              { value: 'same', title: 'The one that all databases share' },
              { value: 'file', title: 'In a file on the machine of the node' },
              { value: 'env', title: 'In an environment variable of the node' },
              ...(mayTypeSecrets
                ? [{ value: 'here' as const, title: 'Entered here, kept in the configuration file' }]
                : []),
            ]}
            onChange={(secret) => set({ secret, where: '' })}
          />
          {entry.secret === 'same' && errorAt(error, 'password') !== undefined && (
            <p class="field-error" role="alert">
              <Icon name="bad" size={14} /> {errorAt(error, 'password')}
            </p>
          )}
          {entry.secret !== 'same' && (
            <TextField
              label={WHERE[entry.secret]}
              value={entry.where}
              error={errorAt(error, 'password')}
              help={entry.secret === 'here' || !mayTypeSecrets ? secretWords : undefined}
              hidden={entry.secret === 'here'}
              mono
              onInput={(where) => set({ where })}
            />
          )}
        </div>
      </details>
    </>
  );
}

/** The node names the key, or its path in the configuration: `url`, `members[2].url`. */
function errorAt(error: ApiError | undefined, key: string): string | undefined {
  const field = error?.field;
  if (error === undefined || field === undefined) return undefined;
  const parts = field.split(/[.[\]]+/);
  return parts.includes(key)
    ? [error.message, error.hint].filter((text) => text !== undefined).join(' – ')
    : undefined;
}

/** It stands beside a field already. */
export function isShownAtField(error: ApiError | undefined): boolean {
  return ['id', 'url', 'weight', 'username', 'password'].some((key) => errorAt(error, key) !== undefined);
}
