// Client keys: the dialog for a new one, and the model in the texts to paste.

import './copy.js';
import './live.js';

document.addEventListener('click', (event) => {
  const opener = event.target.closest('[data-dialog]');
  if (opener && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog).showModal();
  }
});

for (const part of document.querySelectorAll('[data-with-script]')) part.hidden = false;
for (const part of document.querySelectorAll('[data-without-script]')) part.hidden = true;

// No name that can be chosen has to be quoted anywhere.
document.getElementById('connect-model')?.addEventListener('change', ({ target }) => {
  for (const place of document.querySelectorAll('[data-model-here]')) place.textContent = target.value;
});

// Whoever loads this page again gets that of the key: a form that was sent twice would make
// another secret.
const address = document.getElementById('secret')?.dataset.address;
if (address) history.replaceState(null, '', address);

// The last day of a key is asked for where one is wanted.
for (const choice of document.querySelectorAll('#k-expiry')) {
  const field = document.getElementById('k-expiry-date').closest('.field');
  const show = () => { field.hidden = choice.value !== 'date'; };
  choice.addEventListener('change', show);
  show();
}
