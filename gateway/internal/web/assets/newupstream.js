// The upstream of tokens that are added: guessed by what was pasted, chosen, or a new one, which is a
// provider that is known, or an address.

import { api, t } from './page.js';

const choice = document.getElementById('add-upstream');
const fields = document.getElementById('add-new');
const name = document.getElementById('add-name');
const url = document.getElementById('add-url');

// own: the name was typed, and follows the address no more.
let own = false;

// chosen: somebody has chosen the upstream, here or by the page's filter.
let chosen = choice.querySelector('[selected]') !== null;

// isOfPerson tells whether a line is what people have who log in, as Cursor's do: a token with three
// parts, alone or in a cookie, or a key of a user.
const isOfPerson = (line) => /(^|::|%3A%3A|=)(eyJ[\w-]+\.[\w-]+\.[\w-]*|crsr_\w+)/.test(line);

document.getElementById('paste').addEventListener('input', ({ target }) => {
  const guess = choice.querySelector('[data-logs-in]');
  if (!chosen && guess && target.value.trim().split('\n').every(isOfPerson)) choice.value = guess.value;
});

const driver = () => choice.selectedOptions[0]?.dataset.driver; // undefined for one that is there
const isTaken = (wanted) => [...choice.options].some((option) => option.value === wanted);

// nameOf makes a name of an address: api.example.com is `example`.
function nameOf(address) {
  if (!URL.canParse(address)) return '';
  const host = new URL(address).hostname;
  const parts = host.split('.');
  const isNumber = /^[\d.]+$|:/.test(host);
  const base = isNumber ? `at-${host}` : parts.at(parts.length > 1 ? -2 : 0);
  const plain = base.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, '-').replace(/^[^a-z]+/, '').slice(0, 36);
  let free = plain;
  for (let n = 2; free && isTaken(free); n += 1) free = `${plain}-${n}`;
  return free;
}

function show() {
  fields.hidden = driver() === undefined;
  url.required = !fields.hidden;
  name.required = !fields.hidden;
}

choice.addEventListener('change', () => {
  chosen = true;
  own = false;
  url.value = choice.selectedOptions[0].dataset.url ?? '';
  name.value = choice.selectedOptions[0].dataset.name ?? '';
  show();
  if (!fields.hidden && !url.value) url.focus();
});
url.addEventListener('input', () => { if (!own) name.value = nameOf(url.value.trim()); });
name.addEventListener('input', () => { own = name.value !== ''; });
document.getElementById('add-form').addEventListener('reset', () => setTimeout(() => { // when the fields are empty
  chosen = choice.querySelector('[selected]') !== null;
  show();
}));

/** Returns the name of the upstream that is chosen. A new one is made first; where nothing answers there, it throws. */
export async function makeUpstream() {
  if (driver() === undefined) return choice.value;
  const made = name.value.trim();
  if (isTaken(made)) throw new Error(t('upstream_taken', made));
  const { check } = await api('PUT', `/admin/api/upstreams/${encodeURIComponent(made)}`, { driver: driver(), base_url: url.value.trim(), models: [], settings: {} });
  choice.prepend(new Option(made, made, false, true));
  show();
  if (check.state === 'unreachable') throw new Error(t('upstream_unreachable', made, check.detail));
  return made;
}
