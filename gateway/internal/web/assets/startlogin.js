// Begins a login at an upstream and leads to its page.

import { api } from './page.js';

/** Begins a login: {upstream, alias?, proxy?} for a new token, {token_id} for one anew. */
export async function startLogin(wanted) {
  const { id } = await api('POST', '/admin/api/logins', wanted);
  location.assign(`/admin/logins/${encodeURIComponent(id)}`);
}
