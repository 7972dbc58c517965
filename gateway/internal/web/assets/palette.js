// The palette: Ctrl K, ⌘ K or / opens a field that finds pages, tokens, keys, models, settings
// and requests by their ids. Without this module the button leads to a page that does the same.

import { el, refusal, t } from './page.js';

// How long somebody must have stopped typing before it is asked, and how long an answer may
// take, in ms.
const pause = 150;
const patience = 10000;

const opener = document.getElementById('open-search');

let dialog, field, list, said, timer, asking;
let chosen = -1;
let shownFor; // what was looked for that the list shows

function build() {
  field = el('input', {
    id: 'palette-field', name: 'q', type: 'search', role: 'combobox', maxlength: 200, autocomplete: 'off', spellcheck: 'false',
    'aria-label': t('search_what'), placeholder: t('search_what'), 'aria-controls': 'palette-list', 'aria-expanded': 'false', 'aria-autocomplete': 'list',
    oninput: () => { clearTimeout(timer); timer = setTimeout(ask, pause); },
    onkeydown: steer,
  });
  list = el('ul', { id: 'palette-list', role: 'listbox', 'aria-label': t('search_found') });
  said = el('p', { class: 'under', role: 'status' });
  dialog = el('dialog', { id: 'palette', class: 'palette', 'aria-label': t('search_open') },
    el('form', { method: 'get', action: '/admin/search', onsubmit: follow }, field), list, said);
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener('close', () => asking?.abort());
  document.body.append(dialog);
}

function open() {
  if (!dialog) build();
  if (dialog.open || document.querySelector('dialog[open]')) return; // what is open comes first
  dialog.showModal();
  field.select();
  ask();
}

async function ask() {
  asking?.abort();
  const mine = new AbortController();
  const query = field.value;
  asking = mine;
  try {
    const response = await fetch(`/admin/search/hits?q=${encodeURIComponent(query)}`, {
      cache: 'no-store', headers: { 'X-Carousel-Poll': '1' }, signal: AbortSignal.any([mine.signal, AbortSignal.timeout(patience)]),
    });
    const answer = await response.json();
    if (asking !== mine) return;
    if (!response.ok) throw refusal(response.status, answer);
    shownFor = query;
    show(answer);
    const request = answer.hits.find((hit) => hit.kind === 'request' && isWhole(query.trim(), hit.title));
    if (request) go(request.href);
  } catch (error) {
    if (asking === mine && error.name !== 'AbortError') show({ hits: [], problem: error.status ? error.message : t('network') });
  }
}

// isWhole tells whether it is the whole id of a request, as it is in the log or as its client saw it.
// Nobody looks for something else by that, so it is gone to without another key.
const isWhole = (query, id) => query === id || query.length >= 32 && id.endsWith(`-${query}`);

function go(address) {
  if (!dialog.open) return;
  dialog.close();
  location.assign(address);
}

function show({ hits, problem }) {
  list.replaceChildren(...hits.map((hit, i) => el('li', { id: `palette-${i}`, role: 'option', 'aria-selected': 'false' },
    el('a', { href: hit.href, tabindex: '-1' }, el('span', { class: 'tag' }, hit.kind_name), el('span', {}, hit.title), el('span', { class: 'under' }, hit.detail ?? '')))));
  field.setAttribute('aria-expanded', String(hits.length > 0));
  said.textContent = problem ?? (hits.length > 0 ? '' : t('search_nothing'));
  choose(field.value && hits.length > 0 ? 0 : -1);
}

function choose(at) {
  chosen = at;
  for (const [i, option] of [...list.children].entries()) option.setAttribute('aria-selected', String(i === at));
  if (at < 0) {
    field.removeAttribute('aria-activedescendant');
    return;
  }
  field.setAttribute('aria-activedescendant', `palette-${at}`);
  list.children[at].scrollIntoView({ block: 'nearest' });
}

function steer(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const n = list.children.length;
  if (!step || n === 0) return;
  event.preventDefault();
  choose(chosen < 0 ? (step > 0 ? 0 : n - 1) : (chosen + step + n) % n);
}

// follow goes to what is chosen; who was faster than the list is given the time that it needs.
async function follow(event) {
  event.preventDefault();
  const query = field.value;
  if (shownFor !== query) {
    clearTimeout(timer);
    await ask();
  }
  if (!dialog.open || field.value !== query) return;
  const link = list.children[chosen]?.querySelector('a');
  if (link) go(link.href);
}

/** Whether what is pressed goes into a field. */
export const isTyping = (at) => at.closest?.('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');

/** Whether keys of a single character do something: who turned them off wants none. */
export const hasShortcuts = document.documentElement.dataset.shortcuts !== 'off';

if (opener) {
  opener.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab is wanted
    event.preventDefault();
    open();
  });
  document.addEventListener('keydown', (event) => {
    const isCommand = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    const isSlash = hasShortcuts && event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    if (!isCommand && !isSlash) return;
    event.preventDefault();
    open();
  });
}
