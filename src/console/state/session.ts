/** Who is signed in. Everything else on the page is shown only while somebody is. */
import { computed, signal } from '@preact/signals';
import { signIn, signOut, whoAmI } from '../api/calls.ts';
import { access, ApiError } from '../api/request.ts';
import type { SignedIn } from '../contract.ts';

export type SessionState =
  | { readonly state: 'asking' }
  | { readonly state: 'unreachable'; readonly error: ApiError }
  | { readonly state: 'signed-out'; readonly because: 'none' | 'expired' | 'left' | 'link-only' }
  | { readonly state: 'signed-in'; readonly info: SignedIn };

export const session = signal<SessionState>({ state: 'asking' });

export const mayChange = computed(
  () => session.value.state === 'signed-in' && session.value.info.role === 'operator',
);

access.onExpired = () => {
  if (session.value.state === 'signed-in') leave('expired');
};

/** It was used already, or came too late. */
export const linkIsSpent = signal(false);

/** The word of a link that signs in. It is not to stay in the address, nor in what the browser remembers. */
function takeLink(): string | undefined {
  const word = /^#\/enter\/([\w-]+)$/.exec(window.location.hash)?.[1];
  if (word !== undefined) window.history.replaceState(null, '', '#/overview');
  return word;
}

/** A page that is opened again goes on with the session that its browser holds. */
export async function resume(): Promise<void> {
  const word = takeLink();
  if (word !== undefined) {
    try {
      return await enterWith(word);
    } catch (error) {
      // A session that the browser holds already is as good; without one, the form says what to do.
      if (!(error instanceof ApiError)) throw error;
      linkIsSpent.value = true;
    }
  }
  try {
    enter(await whoAmI());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Another tab may have signed in meanwhile: what is kept is not touched.
    if (error.status === 401)
      session.value = {
        state: 'signed-out',
        because: error.code === 'admin.link-only' ? 'link-only' : 'none',
      };
    else session.value = { state: 'unreachable', error };
  }
}

export async function enterWith(token: string): Promise<void> {
  enter(await signIn(token));
}

export async function leaveByWish(): Promise<void> {
  // Without an answer the cookie may outlive this; the page still lets go.
  await signOut().catch(() => undefined);
  leave('left');
}

/** Whether the node still knows this session; undefined: it does not answer. */
export async function stillSignedIn(): Promise<boolean | undefined> {
  try {
    enter(await whoAmI());
    return true;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) return undefined;
    leave('expired');
    return false;
  }
}

function enter(info: SignedIn): void {
  access.csrf = info.csrf;
  const now = session.peek();
  if (now.state === 'signed-in' && now.info.csrf === info.csrf && now.info.role === info.role) return;
  session.value = { state: 'signed-in', info };
}

function leave(because: 'expired' | 'left'): void {
  access.csrf = undefined;
  session.value = { state: 'signed-out', because };
}
