// Settings: only what was changed is sent, and only if nobody else has changed
// the settings meanwhile; then both values are shown and nothing is lost.

import { api, complain, t, toast } from './page.js';
import './live.js'; // the shares are of now

const form = document.getElementById('settings-form');
const bar = document.getElementById('save-bar');
const status = document.getElementById('settings-status');
const rows = [...form.querySelectorAll('.setting')];
const control = (row) => form.elements[row.dataset.name];

const read = {
  bool: (input) => input.checked,
  number: (input) => input.valueAsNumber,
  text: (input) => input.value,
};

const valueOf = (row) => read[row.dataset.kind](control(row));
const isChanged = (row) => String(valueOf(row)) !== row.dataset.value;

function show() {
  const changed = rows.filter(isChanged);
  for (const row of rows) row.classList.toggle('changed', isChanged(row));
  bar.hidden = changed.length === 0;
  status.textContent = changed.length ? t('changes', changed.length) : '';
}

form.addEventListener('input', show);

function put(row, value) {
  const input = control(row);
  if (row.dataset.kind === 'bool') input.checked = value === 'true';
  else input.value = value;
}

document.getElementById('settings-discard').addEventListener('click', () => {
  for (const row of rows) put(row, row.dataset.value);
  location.reload();
});

const inWords = (value) => (value === true ? t('on') : value === false ? t('off') : value === '' ? t('empty') : String(value));

// compare shows what is stored now beside what the reader has changed, and takes
// over what they have not.
async function compare() {
  const stored = await api('GET', '/admin/api/settings');
  for (const row of rows) {
    const value = stored[row.dataset.name];
    if (value === undefined || String(value) === row.dataset.value) continue;
    const mine = isChanged(row);
    row.dataset.value = String(value);
    const note = row.querySelector('.conflict');
    if (mine && isChanged(row)) {
      note.textContent = t('conflict', inWords(value));
      note.hidden = false;
    } else {
      put(row, String(value));
    }
  }
  form.dataset.version = stored.version;
  show();
  status.textContent = t('conflict_status');
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const changed = rows.filter(isChanged);
  const body = Object.fromEntries(changed.map((row) => [row.dataset.name, valueOf(row)]));
  try {
    await api('PATCH', '/admin/api/settings', body, form.dataset.version);
    for (const row of changed) row.dataset.value = String(valueOf(row));
    leaving = true;
    location.reload();
  } catch (error) {
    if (error.status === 412) compare().catch(complain);
    else status.textContent = error.message;
  }
});

/** A value as the API takes it, of its text. */
const typed = { bool: (text) => text === 'true', number: Number, text: (text) => text };

form.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-reset], [data-restore]');
  if (!button) return;
  const { reset, restore, earlier } = button.dataset;
  try {
    if (reset) await api('POST', '/admin/api/settings/reset', { names: [reset] });
    else await api('PATCH', '/admin/api/settings', { [restore]: typed[form.querySelector(`#setting-${restore}`).dataset.kind](earlier) }, form.dataset.version);
    toast(reset ? t('was_reset') : t('was_put_back'));
    leaving = rows.filter(isChanged).length === 0;
    if (leaving) location.reload();
    else await compare();
  } catch (error) {
    complain(error);
  }
});

// Nobody loses what they have typed by leaving.
let leaving = false;
addEventListener('beforeunload', (event) => {
  if (!leaving && rows.some(isChanged)) event.preventDefault();
});

show();
