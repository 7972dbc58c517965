// What was done: undo what an admin did, or what failures did to tokens.

import { filterTimes, localTime } from './filtertimes.js';
import { api, complain, number, t, toast } from './page.js';
import { refresh } from './live.js';
import { reportOf, undoChange } from './undo.js';

const list = document.getElementById('audit');
const filter = document.getElementById('activity-filter');
const form = document.getElementById('undo-form');

if (filter) filterTimes(filter);

/** Undoes what failures of a class did within a time; answers how much that was. */
async function undoTransitions(wanted) {
  const { count } = await api('POST', '/admin/api/transitions/undo', wanted);
  return count > 0 ? t('undone_n', number(count)) : t('undone_none');
}

// A change set.

list.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-undo], [data-undo-class]');
  if (!button) return;
  button.disabled = true;
  const { undo, undoClass, undoUpstream, undoSince, undoUntil } = button.dataset;
  try {
    if (undo) {
      document.getElementById('undo-report').replaceChildren(...reportOf(await undoChange(undo)));
    } else {
      toast(await undoTransitions({ class: undoClass, upstream: undoUpstream, from: undoSince, to: undoUntil }));
    }
    await refresh();
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
});

// All that failures did.

if (form) {
  const status = document.getElementById('undo-status');
  const { from, to } = form.elements;
  const given = new Date(from.dataset.from);
  from.value = localTime(Number.isNaN(given.getTime()) ? new Date(Date.now() - 3600e3) : given, 'second');

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = document.getElementById('undo-submit');
    button.disabled = true;
    status.textContent = '';
    try {
      status.textContent = await undoTransitions({
        class: form.elements.class.value,
        upstream: form.elements.upstream.value,
        from: new Date(from.value).toISOString(),
        ...(to.value && { to: new Date(to.value).toISOString() }),
      });
      toast(status.textContent);
      await refresh();
    } catch (error) {
      status.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}
