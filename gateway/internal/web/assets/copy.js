// Copies what a button with data-copies="id" names.

import { complain, t, toast } from './page.js';

document.addEventListener('click', async (event) => {
  const copier = event.target.closest('[data-copies]');
  if (!copier) return;
  try {
    await copy(document.getElementById(copier.dataset.copies));
    toast(t('copied'));
  } catch (error) {
    complain(error);
  }
});

// Pages may write to the clipboard on this machine and by HTTPS; elsewhere what is selected can be
// copied.
async function copy(element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent);
  getSelection().selectAllChildren(element);
  if (!document.execCommand('copy')) throw new Error(t('copy_by_hand'));
  return undefined;
}

/** Shows the buttons that copy, within root. */
export function offerCopies(root) {
  for (const copier of root.querySelectorAll('[data-copies]')) copier.hidden = false;
}

offerCopies(document);
