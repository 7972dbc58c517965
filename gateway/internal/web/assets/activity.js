// What was done: undo what failures did to tokens, and see who changed what.

import { api, complain, number, t, toast } from './page.js';
import { refresh } from './live.js';
import { reportOf, undoChange } from './undo.js';

const form = document.getElementById('undo-form');
const status = document.getElementById('undo-status');
const { from, to } = form.elements;

// The fields show the reader's time.
const local = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
const given = new Date(from.dataset.from);
from.value = local(Number.isNaN(given.getTime()) ? new Date(Date.now() - 3600e3) : given);

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = document.getElementById('undo-submit');
  button.disabled = true;
  status.textContent = '';
  try {
    const { count } = await api('POST', '/admin/api/transitions/undo', {
      class: form.elements.class.value,
      upstream: form.elements.upstream.value,
      from: new Date(from.value).toISOString(),
      ...(to.value && { to: new Date(to.value).toISOString() }),
    });
    status.textContent = count > 0 ? t('undone_n', number(count)) : t('undone_none');
    toast(status.textContent);
    await refresh();
  } catch (error) {
    status.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

// One change.

document.getElementById('audit').addEventListener('click', async (event) => {
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
