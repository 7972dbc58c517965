// Opens what a row of a list is about beside the list: what its own page shows, at the list's
// address with the row's id behind #. So it can be linked to, and the browser's way back closes it.

import { heard } from './connection.js';
import { morphChildren } from './morph.js';
import { hasShortcuts, isTyping } from './palette.js';
import { t, times } from './page.js';

/**
 * Has the rows of a list open beside it. rows holds them, and stays when they are drawn anew. row is
 * the beginning of their ids, hash that of what the address has behind #: no element has such an id,
 * or the browser would go to it when the page is loaded, and take the focus out of the drawer. Ids
 * need no escapes. link selects the link in a row that opens it. page and part are the addresses of
 * its page and of what is shown of it, for an id; body and head are the ids of that in there. shown
 * is told of what is shown. Answers a function that shows it again.
 */
export function openBeside({ rows, row, hash, link, page, part = page, body, head, shown = () => {} }) {
  const drawer = document.getElementById('drawer');
  const inside = document.getElementById('drawer-body');
  const outcome = document.getElementById('drawer-outcome');

  // The id that the address names; undefined: none.
  const named = () => (location.hash.startsWith(hash) ? location.hash.slice(hash.length) : undefined);
  const linkOf = (id) => document.getElementById(row + id)?.querySelector(link);

  let current;

  // Whether the browser is on its way back: that takes it a moment, and what is opened meanwhile would
  // be taken back instead.
  let leaving = false;

  // The name of the answer that is shown, where it has one.
  let etag;

  async function load(id, headers) {
    const response = await fetch(part(id), { cache: 'no-store', headers, signal: AbortSignal.timeout(15000) });
    if (response.redirected) { // to the login
      location.assign(page(id));
      return;
    }
    if (response.status < 500) heard();
    if (response.status === 304) return;
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
    if (current !== id) return;
    times(fresh);
    morphChildren(inside, fresh.getElementById(body) ?? fresh.querySelector('main'));
    morphChildren(outcome, fresh.getElementById(head) ?? document.createElement('p'));
    etag = response.headers.get('ETag');
    shown(inside);
  }

  async function open(id) {
    if (current === id && drawer.open) return;
    current = id;
    etag = undefined;
    document.getElementById('drawer-page').href = page(id);
    outcome.replaceChildren();
    inside.textContent = t('loading');
    inside.setAttribute('aria-busy', 'true');
    if (!drawer.open) drawer.showModal();
    drawer.scrollTop = 0;
    document.getElementById('drawer-title').focus();
    try {
      await load(id);
    } catch {
      if (current === id) inside.textContent = t('network');
    } finally {
      if (current === id) inside.removeAttribute('aria-busy');
    }
  }

  // follow shows what the address names.
  function follow() {
    leaving = false;
    if (named()) open(named());
    else if (drawer.open) drawer.close();
  }

  // leave takes the row out of the address: back, where it was opened from the list.
  function leave() {
    if (history.state?.drawer) {
      leaving = true;
      history.back();
      return;
    }
    history.replaceState(null, '', location.pathname + location.search);
  }

  // step goes on by rows, in the list's order.
  function step(by) {
    const ids = [...rows.querySelectorAll(`tr[id^="${row}"]`)].map((each) => each.id.slice(row.length));
    const next = ids[ids.indexOf(current) + by];
    if (!ids.includes(current) || !next || leaving) return;
    history.replaceState(history.state, '', hash + next);
    follow();
  }

  drawer.addEventListener('close', () => {
    if (drawer.open) return; // again, meanwhile
    const from = current && linkOf(current);
    current = undefined;
    if (named()) leave();
    from?.focus();
  });

  drawer.addEventListener('click', (event) => {
    if (event.target === drawer) drawer.close(); // beside it
  });

  drawer.addEventListener('keydown', (event) => {
    const by = { j: 1, k: -1 }[event.key];
    if (!by || !hasShortcuts || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    event.preventDefault();
    step(by);
  });

  rows.addEventListener('click', (event) => {
    const at = event.target.closest(`tr[id^="${row}"]`);
    const other = event.target.closest('a, button, input, label');
    const elsewhere = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!at || elsewhere || (other && !other.matches(link)) || !getSelection().isCollapsed) return;
    event.preventDefault();
    if (leaving) return;
    history.pushState({ drawer: true }, '', hash + at.id.slice(row.length));
    follow();
  });

  rows.classList.add('opens');
  addEventListener('popstate', follow);
  follow();

  let asking;

  // What has changed of what is shown is changed.
  return async () => {
    if (!drawer.open || !current || inside.hasAttribute('aria-busy')) return;
    const headers = { 'X-Carousel-Poll': '1', ...(etag && { 'If-None-Match': etag }) };
    asking ??= load(current, headers).finally(() => { asking = undefined; });
    await asking;
  };
}
