// A login at an upstream: follow it, cancel it, and go to the token that it made.

import { api, complain } from './page.js';
import { refresh } from './live.js';

const login = document.getElementById('login');

document.addEventListener('click', async (event) => {
  const button = event.target.closest('#login-cancel');
  if (!button) return;
  button.disabled = true;
  try {
    await api('DELETE', `/admin/api/logins/${encodeURIComponent(login.dataset.id)}`);
    await refresh();
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
});

// Whoever has waited for it need not look for it.
document.addEventListener('refreshed', () => {
  const { state, token } = login.dataset;
  if (state === 'done' && token) location.assign(`/admin/tokens/${encodeURIComponent(token)}`);
});
