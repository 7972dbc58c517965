// What can be done to one token, on its page and in the table.

import { api, complain, t, toast } from './page.js';

const path = (id) => `/admin/api/tokens/${encodeURIComponent(id)}`;

/** Enables a token. A parked one comes back by being enabled anew. */
export async function enable(id, state) {
  if (state === 'parked') await api('PATCH', path(id), { enabled: false });
  await api('PATCH', path(id), { enabled: true });
}

/** Does what a token's switch says: enable, disable, or bring back. */
export async function flip(id, name, { enabled, state }) {
  if (enabled === 'true' && state !== 'parked') {
    await api('PATCH', path(id), { enabled: false });
    toast(t('disabled', name));
    return;
  }
  await enable(id, state);
  toast(state === 'parked' ? t('revived', name) : t('enabled', name));
}

/** Deletes a token; whoever did it can undo it. restored runs after that. */
export async function removeToken(id, name, restored) {
  await api('DELETE', path(id));
  const undo = async () => {
    try {
      await api('POST', `${path(id)}/restore`);
      toast(t('restored', name));
      await restored();
    } catch (error) {
      complain(error);
    }
  };
  toast(t('deleted', name), { action: { label: t('undo'), run: undo } });
}
