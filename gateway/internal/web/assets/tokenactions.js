// What can be done to one token, on its page and in the table.

import { api, complain, t, toast } from './page.js';

const path = (id) => `/admin/api/tokens/${encodeURIComponent(id)}`;

/** Enables or disables a token. */
async function switchToken(id, name, enabled) {
  await api('PATCH', path(id), { enabled });
  toast(t(enabled ? 'enabled' : 'disabled', name));
}

/** Brings a parked token back: one that is enabled anew starts afresh. */
async function reviveToken(id, name) {
  await api('PATCH', path(id), { enabled: false });
  await api('PATCH', path(id), { enabled: true });
  toast(t('revived', name));
}

/** Does what the switch of a token says, given its enabled and state. */
export function flip(id, name, { enabled, state }) {
  if (state === 'parked') return reviveToken(id, name);
  return switchToken(id, name, enabled !== 'true');
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
