// What many tokens are to have alike.

import { t } from './page.js';
import { tagsOf } from './tokenactions.js';

const dialog = document.getElementById('bulk-edit');
const form = dialog.querySelector('form');
const status = document.getElementById('bulk-edit-status');

// The edit as the API takes it: what is left empty is not in it, but for tags that none replaces.
function edit() {
  const { deed, tags, cap, weight } = form.elements;
  const named = tagsOf(tags.value);
  return {
    ...((named.length > 0 || deed.value === 'tags') && { [deed.value]: named }),
    ...(cap.value && { cap: cap.valueAsNumber }),
    ...(weight.value && { weight: weight.valueAsNumber }),
  };
}

form.addEventListener('submit', (event) => {
  if (Object.keys(edit()).length > 0) return;
  event.preventDefault();
  status.textContent = t('edit_nothing');
});

form.addEventListener('input', () => { status.textContent = ''; });

/** Asks what is to be changed; nothing when nobody wants it. */
export async function askEdit(what) {
  form.reset();
  status.textContent = '';
  document.getElementById('bulk-edit-what').textContent = what;
  dialog.returnValue = '';
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener('close', resolve, { once: true }); });
  return dialog.returnValue === 'save' ? { edit: edit() } : undefined;
}
