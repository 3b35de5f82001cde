/** What is entered about a database, and what of it is sent. */
import type { JSX } from 'preact';
import type { ApiError } from '../../api/request.ts';
import type { NewMember } from '../../contract.ts';
import { Choices, TextField } from '../../ui/field.tsx';
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
  const ownLogin = entry.username !== '' || entry.secret !== 'same';
  return (
    <>
      {isNew && (
        <TextField
          label="Name"
          value={entry.id}
          error={errorAt(error, 'id')}
          help="Its name in this console, in events and records, such as db2. It never changes, and is never given to another database."
          onInput={(id) => set({ id })}
        />
      )}
      <TextField
        label="URL"
        value={entry.url}
        error={errorAt(error, 'url')}
        placeholder="postgres://server:5432/database"
        help="Server, port and database. No user and no password in it."
        mono
        onInput={(url) => set({ url })}
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
