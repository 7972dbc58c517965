// One request: undo what an attempt did to its token, and copy.

import './copy.js';
import { api, complain, t, toast } from './page.js';

/** Shows the buttons that undo, within root. */
export function offerUndo(root) {
  for (const button of root.querySelectorAll('[data-undo-token]')) button.hidden = false;
}

offerUndo(document);

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-undo-token]');
  if (!button) return;
  button.disabled = true;
  const { undoToken, class: cause, at } = button.dataset;
  try {
    const { count } = await api('POST', '/admin/api/transitions/undo', { token_id: undoToken, class: cause, from: at, to: at });
    toast(count > 0 ? t('undone_transition') : t('undone_transition_none'));
    button.closest('.undo').remove();
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
});
