// What can be done to one token, on its page and in the table.

import { api, complain, t, toast } from './page.js';

const path = (id) => `/admin/api/tokens/${encodeURIComponent(id)}`;

/** Does what a token's switch says: enable or disable. */
export async function flip(id, name, enabled) {
  await api('PATCH', path(id), { enabled: enabled !== 'true' });
  toast(t(enabled === 'true' ? 'disabled' : 'enabled', name));
}

/** Brings a token back that failures keep from requests. */
export async function release(id, name) {
  await api('POST', `${path(id)}/release`);
  toast(t('released', name));
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
