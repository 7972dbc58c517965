// Opens a request beside the list: what its own page shows, at the list's address with the
// request's id behind #. So it can be linked to, and the browser's way back closes it.

import { offerCopies } from './copy.js';
import { offerUndo } from './entry.js';
import { t, times } from './page.js';
import { hasShortcuts, isTyping } from './palette.js';

const drawer = document.getElementById('drawer');
const body = document.getElementById('drawer-body');
const title = document.getElementById('drawer-title');
const rows = document.getElementById('log-rows');

// No element has such an id: the browser would go to it when the page is loaded, and take the focus
// out of the drawer.
const prefix = '#request-';

// The id of the request that the address names; undefined: none. Ids need no escapes.
const named = () => (location.hash.startsWith(prefix) ? location.hash.slice(prefix.length) : undefined);

let shown;

// Whether the browser is on its way back: that takes it a moment, and what is opened meanwhile would
// be taken back instead.
let leaving = false;

async function load(id, address) {
  const response = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(15000) });
  if (response.redirected) { // to the login
    location.assign(address);
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  if (shown !== id) return;
  times(page);
  const request = page.getElementById('request');
  body.replaceChildren(...(request ?? page.querySelector('main')).childNodes);
  document.getElementById('drawer-outcome').replaceChildren(...(page.getElementById('outcome')?.childNodes ?? []));
  offerCopies(body);
  offerUndo(body);
}

async function open(id) {
  if (shown === id && drawer.open) return;
  shown = id;
  const address = `/admin/logs/${encodeURIComponent(id)}`;
  document.getElementById('drawer-page').href = address;
  document.getElementById('drawer-outcome').replaceChildren();
  body.textContent = t('loading');
  body.setAttribute('aria-busy', 'true');
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = 0;
  title.focus();
  try {
    await load(id, address);
  } catch {
    if (shown === id) body.textContent = t('network');
  } finally {
    if (shown === id) body.removeAttribute('aria-busy');
  }
}

// follow shows what the address names.
function follow() {
  leaving = false;
  if (named()) open(named());
  else if (drawer.open) drawer.close();
}

// leave takes the request out of the address: back, where it was opened from the list.
function leave() {
  if (history.state?.drawer) {
    leaving = true;
    history.back();
    return;
  }
  history.replaceState(null, '', location.pathname + location.search);
}

drawer.addEventListener('close', () => {
  if (drawer.open) return; // again, meanwhile
  const row = document.getElementById(`entry-${shown}`);
  shown = undefined;
  if (named()) leave();
  row?.querySelector('a.cover').focus();
});

// step goes on to the next request of the list, or back, by the keys that do so in the list. It is one
// way back, however many were looked at.
function step(by) {
  const all = [...rows.children];
  const next = all[all.findIndex((row) => row.id === `entry-${shown}`) + by];
  if (!next || leaving) return;
  history.replaceState(history.state, '', prefix + next.id.slice('entry-'.length));
  follow();
}

drawer.addEventListener('keydown', (event) => {
  const by = event.key === 'j' ? 1 : event.key === 'k' ? -1 : 0;
  if (by === 0 || !hasShortcuts || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  event.preventDefault();
  step(by);
});

drawer.addEventListener('click', (event) => {
  if (event.target === drawer) drawer.close(); // beside it
});

rows.addEventListener('click', (event) => {
  const row = event.target.closest('tr');
  const link = event.target.closest('a');
  const elsewhere = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!row || elsewhere || (link && !link.matches('.cover')) || !getSelection().isCollapsed) return;
  event.preventDefault();
  if (leaving) return;
  history.pushState({ drawer: true }, '', prefix + row.id.slice('entry-'.length));
  follow();
});

rows.classList.add('opens');
addEventListener('popstate', follow);
follow();
