// Undoes what one request changed, by its id, and says what could not be undone.

import { api, el, number, t, toast } from './page.js';

/** Undoes a change; answers the report. */
export async function undoChange(id) {
  const report = await api('POST', `/admin/api/audit/${encodeURIComponent(id)}/undo`, {});
  const { undone, failed, failures } = report;
  if (failed === 0) toast(t('undone_n', number(undone)));
  else toast(t('undone_some', number(undone), number(failed), `${failures[0].what}: ${failures[0].reason}`), { bad: true });
  return report;
}

/** Is undone's report as elements. */
export function reportOf({ undone, failed, failures }) {
  if (failed === 0) return [];
  const rows = failures.map(({ what, reason }) => el('li', {}, el('span', { class: 'mono' }, what), el('span', {}, reason)));
  return [el('p', { class: 'notice warn' }, t('undone_report', number(undone), number(failed))), el('ol', {}, ...rows)];
}
