/** The configurator: is clustering enabled, which databases take part, and every option of the node. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { getConfig } from '../../api/calls.ts';
import type { Ask } from '../../state/asks.ts';
import { status } from '../../state/live.ts';
import { mayChange } from '../../state/session.ts';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';
import { PageHead, Waiting } from '../../ui/page.tsx';
import { useLoaded } from '../../ui/use-loaded.ts';
import { AddDatabase } from './add-database.tsx';
import { Clustering } from './clustering.tsx';
import { ConfigFile } from './config-file.tsx';
import { DatabaseDialog } from './database-dialogs.tsx';
import { Databases } from './databases.tsx';
import { Settings } from './settings.tsx';

type PageAsk = Ask | { readonly what: 'add' };

export function DatabasePage(): JSX.Element {
  const now = status.value;
  const members = now?.members.map(({ id, weight, url }) => `${id} ${weight} ${url}`).join();
  const config = useLoaded(getConfig, [members, JSON.stringify(now?.file)]);
  const [ask, setAsk] = useState<PageAsk>();
  const close = () => {
    setAsk(undefined);
    void config.reload();
  };
  if (now === null) return <Waiting />;
  return (
    <>
      <PageHead title="Database" text="Which databases are kept identical, and how." />
      {!mayChange.value && (
        <Notice tone="info">
          <p>You have signed in to look only. To change something, sign in with the token of an operator.</p>
        </Notice>
      )}
      <Clustering members={now.members} onEnable={() => setAsk({ what: 'add' })} />
      <Databases members={now.members} onAsk={setAsk} onAdd={() => setAsk({ what: 'add' })} />
      {config.error !== undefined && <ErrorNotice error={config.error} retry={() => void config.reload()} />}
      {config.value === undefined && config.error === undefined && <Waiting />}
      {config.value !== undefined && <Settings config={config.value} onSaved={() => void config.reload()} />}
      {config.value !== undefined && <ConfigFile config={config.value} onRead={() => void config.reload()} />}
      {ask?.what === 'add' && (
        <AddDatabase first={now.members.length === 1} members={now.members} onClose={close} />
      )}
      {ask !== undefined && ask.what !== 'add' && <DatabaseDialog ask={ask} status={now} onClose={close} />}
    </>
  );
}
