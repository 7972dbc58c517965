// Keeps the parts of a page current that are marked with data-live="ms": when there is news of what
// their data-of names, at most so often, the page is asked for again, and what has changed in it is
// changed here, and in charts. Focus, ticked boxes and opened details stay.

import { heard } from './connection.js';
import { morph } from './morph.js';
import { onNews } from './news.js';
import { t, times, toast } from './page.js';

// How long an answer may take, in ms: one that never comes would hold up all others.
const patience = 15000;

let asking;
let etag;

/** Brings the live parts, and all charts, up to date now. */
export async function refresh() {
  asking ??= ask().finally(() => { asking = undefined; });
  return asking;
}

/** Brings them to what the page's address now says. */
export async function redraw() {
  await asking?.catch(() => {}); // it may have asked for the address of before
  return refresh();
}

async function ask() {
  const response = await fetch(location.href, {
    cache: 'no-store',
    headers: { 'X-Carousel-Poll': '1', ...(etag && { 'If-None-Match': etag }) },
    signal: AbortSignal.timeout(patience),
  });
  if (response.status === 304) {
    heard();
    return;
  }
  if (response.redirected) { // to the login
    stop();
    toast(t('session'), { bad: true, action: { label: t('login'), run: () => location.reload() } });
    return;
  }
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  if (response.status < 500) heard();
  times(fresh);
  for (const part of document.querySelectorAll('[data-live], figure.chart:not([data-live] *)')) {
    const now = fresh.getElementById(part.id);
    if (now) morph(part, now);
  }
  etag = response.headers.get('ETag');
  document.dispatchEvent(new CustomEvent('refreshed'));
}

const parts = [...document.querySelectorAll('[data-live]')];
const names = parts.flatMap((part) => part.dataset.of.split(' '));
const stop = parts.length > 0 ? onNews(names, Math.min(...parts.map((part) => Number(part.dataset.live))), refresh) : () => {};

// How long ago something was goes on by itself.
setInterval(() => { if (!document.hidden) times(document); }, 5000);
