// The page of a token that is not there: brings it back where that is possible.

import { api } from './page.js';

document.getElementById('restore-token').addEventListener('click', async (event) => {
  try {
    await api('POST', `/admin/api/tokens/${encodeURIComponent(event.target.dataset.id)}/restore`);
    location.reload();
  } catch (error) {
    document.getElementById('gone-status').textContent = error.message;
  }
});
