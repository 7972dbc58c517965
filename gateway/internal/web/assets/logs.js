// The request log: times of the filter in the reader's zone, and the live tail.

import './brush.js';
import { offerCopies } from './copy.js';
import { openBeside } from './drawer.js';
import { offerUndo } from './entry.js';
import { filterTimes } from './filtertimes.js';
import { onNews } from './news.js';
import { complain, t, times, Refused } from './page.js';

filterTimes(document.getElementById('log-filter'));

// A request opens beside the list.

openBeside({
  rows: document.getElementById('log-rows'),
  row: 'entry-',
  hash: '#request-',
  link: 'a.cover',
  page: (id) => `/admin/logs/${encodeURIComponent(id)}`,
  body: 'request',
  head: 'outcome',
  shown: (body) => {
    offerCopies(body);
    offerUndo(body);
  },
});

// The live tail.

const mostRows = 500;
const pause = 2000;
const button = document.getElementById('live-tail');
const rows = document.getElementById('log-rows');
let stop;

const on = () => button.getAttribute('aria-pressed') === 'true';

function say(text) {
  document.getElementById('tail-news').textContent = text;
}

function show(html, newest) {
  const fresh = new DOMParser().parseFromString(`<table><tbody>${html}</tbody></table>`, 'text/html');
  times(fresh);
  const added = [...fresh.querySelectorAll('tr')].filter((row) => !document.getElementById(row.id));
  for (const row of added) row.classList.add('fresh');
  rows.prepend(...added);
  while (rows.children.length > mostRows) rows.lastElementChild.remove();
  rows.dataset.newest = newest;
  if (added.length === 0) return;
  document.getElementById('log-card').classList.remove('nothing');
  document.getElementById('log-empty').hidden = true;
  say(t('new_requests', added.length));
}

async function poll() {
  const query = new URLSearchParams(location.search);
  query.set('after', rows.dataset.newest);
  query.set('columns', rows.dataset.columns); // those of the head, whatever was chosen elsewhere since
  const response = await fetch(`/admin/logs/tail?${query}`, {
    cache: 'no-store', headers: { 'X-Carousel-Poll': '1' }, signal: AbortSignal.timeout(15000),
  });
  if (response.status === 401) throw new Refused(401, t('session'));
  if (!response.ok) return; // the store is away: the next poll may find it
  show(await response.text(), response.headers.get('X-Log-Newest'));
}

async function tail() {
  try {
    await poll();
  } catch (error) {
    if (error.status !== 401) throw error;
    toggle();
    complain(error);
  }
}

function toggle() {
  button.setAttribute('aria-pressed', String(!on()));
  say(on() ? t('live_on') : t('live_off'));
  if (!on()) {
    stop();
    return;
  }
  stop = onNews(['requests'], pause, tail);
  tail().catch(() => {}); // the next one may work
}

button?.addEventListener('click', toggle);
