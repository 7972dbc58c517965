// What was done: undo what an admin did; what failures did to tokens has a page of its own.

import { filterTimes } from './filtertimes.js';
import { complain } from './page.js';
import { refresh } from './live.js';
import { reportOf, undoChange } from './undo.js';

const list = document.getElementById('audit');
const filter = document.getElementById('activity-filter');
const form = document.getElementById('undo-form');

if (filter) filterTimes(filter);
if (form) filterTimes(form);

// A change set.

list.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-undo]');
  if (!button) return;
  button.disabled = true;
  try {
    document.getElementById('undo-report').replaceChildren(...reportOf(await undoChange(button.dataset.undo)));
    await refresh();
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
});
