import type { JSX } from 'preact';
import type { ApiError } from '../../api/request.ts';
import type { SetUpInput } from '../../contract.ts';
import { Choices, TextField } from '../../ui/field.tsx';

interface NamesProps {
  readonly entry: SetUpInput;
  /** Where all of it is written. */
  readonly file: string;
  readonly error: ApiError | undefined;
  readonly onChange: (part: Partial<SetUpInput>) => void;
}

export function NamesForm({ entry, file, error, onChange }: NamesProps): JSX.Element {
  const at = (field: string) => (error?.field === field ? error.message : undefined);
  const several = entry.members.length > 1;
  // What is wrong with something of an earlier step has no field here.
  const elsewhere =
    error?.field !== undefined &&
    !['cluster', 'clients', 'listen', 'admin', 'state', 'source'].includes(error.field);
  return (
    <>
      <p>
        It is written into <code class="breaks">{file}</code>, with every option explained. All of it can be
        changed later.
      </p>
      <TextField
        label="Name of the cluster"
        value={entry.cluster}
        error={at('cluster')}
        onInput={(cluster) => onChange({ cluster })}
      />
      <TextField
        label="Roles of clients"
        value={entry.clients.join(', ')}
        error={at('clients')}
        help="With which programs log in, with commas between them. Their passwords are those that the databases keep."
        onInput={(text) => onChange({ clients: text.split(',').map((name) => name.trimStart()) })}
      />
      <TextField
        label="Address for clients"
        value={entry.listen}
        error={at('listen')}
        help="Where programs find Lockstep instead of the database."
        mono
        onInput={(listen) => onChange({ listen })}
      />
      <TextField
        label="Address of the console"
        value={entry.admin}
        error={at('admin')}
        help="Of this page, once the node runs. Empty: it has no console."
        mono
        onInput={(admin) => onChange({ admin })}
      />
      <TextField
        label="Directory for what the node remembers"
        value={entry.state}
        error={at('state')}
        mono
        onInput={(state) => onChange({ state })}
      />
      {several && (
        <Choices
          legend="Should the databases hold different data: whose count?"
          value={entry.source}
          choices={[
            { value: '', title: 'Nobody’s', text: 'The start is refused then, and nothing is changed.' },
            ...entry.members.map(({ id, url }) => ({ value: id, title: id, text: url })),
          ]}
          onChange={(source) => onChange({ source })}
        />
      )}
      {elsewhere && error !== undefined && (
        <p class="field-error" role="alert">
          {error.field}: {error.message}
        </p>
      )}
    </>
  );
}
