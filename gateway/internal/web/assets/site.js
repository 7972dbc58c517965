// What all pages have in common: times, dialogs, menus.

import './connection.js';
import './palette.js';
import './shortcuts.js';
import { begin } from './news.js';
import { times } from './page.js';

times(document);
if (document.getElementById('connection')) begin(); // there is none without a login

document.addEventListener('click', (event) => {
  const opener = event.target.closest('[data-opens]');
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (event.target.closest('[data-closes]')) event.target.closest('dialog').close();
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target) || event.target.closest('a')) menu.open = false;
  }
});

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});

// On a narrow screen the navigation scrolls: the current page, and its tab, are in sight.
for (const current of document.querySelectorAll('.nav [aria-current], .tabs [aria-current]')) {
  current.scrollIntoView({ block: 'nearest', inline: 'center' });
}
