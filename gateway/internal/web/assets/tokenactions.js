// What can be done to one token, on its page and in the table.

import { api, complain, t, timeText, toast } from './page.js';

const path = (id) => `/admin/api/tokens/${encodeURIComponent(id)}`;

const dialog = document.getElementById('disable-dialog');

// When each answer of the dialog ends; undefined: when somebody enables them.
const ends = {
  '15m': () => new Date(Date.now() + 15 * 60e3),
  '1h': () => new Date(Date.now() + 3600e3),
  tomorrow: () => new Date(new Date().setHours(24, 0, 0, 0)),
  word: () => undefined,
};

/** Asks until when something is to be disabled: {until}, a time or undefined; nothing when nobody wants it. */
export async function askUntil(what) {
  document.getElementById('disable-what').textContent = what;
  dialog.returnValue = '';
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener('close', resolve, { once: true }); });
  const end = ends[dialog.returnValue];
  return end && { until: end()?.toISOString() };
}

/** Does what a token's switch says: enable, or disable until the time that is asked for. Tells whether it did. */
export async function flip(id, name, enabled) {
  if (enabled !== 'true') {
    await api('PATCH', path(id), { enabled: true });
    toast(t('enabled', name));
    return true;
  }
  const answer = await askUntil(name);
  if (!answer) return false;
  await api('PATCH', path(id), { enabled: false, ...(answer.until && { disabled_until: answer.until }) });
  toast(answer.until ? t('disabled_until', name, timeText(answer.until)) : t('disabled', name));
  return true;
}

/** The tags that somebody has written with commas between them. */
export const tagsOf = (text) => text.split(/[,，]/).map((tag) => tag.trim()).filter(Boolean);

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
