// The request log: times of the filter in the reader's zone, and the live tail.

import './brush.js';
import { offerCopies } from './copy.js';
import { openBeside } from './drawer.js';
import { offerUndo } from './entry.js';
import { filterTimes } from './filtertimes.js';
import { onNews } from './news.js';
import { complain, number, t, times, Refused } from './page.js';

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

// While somebody reads further down, or has a request open, new rows wait behind a button: what is
// read stays where it is.

const drawer = document.getElementById('drawer');
const heldButton = document.getElementById('tail-held');
let held = []; // the newest first, as many as are shown at most
let waiting = 0; // how many have come since the last were shown

// What lies above this line of the window is out of sight, or below what stays there.
const edge = () => Number.parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;

// A list without rows has no place, and nobody reads it.
const isReading = () => drawer.open || (rows.children.length > 0 && rows.getBoundingClientRect().top < edge() - 1);

function hold() {
  if (heldButton.hidden) say(t('live_held'));
  heldButton.hidden = false;
  heldButton.querySelector('span').textContent = t('held', number(waiting));
}

// scale has the bars of all rows end where the slowest one's does.
function scale() {
  const bars = [...rows.querySelectorAll('svg.took-bar')];
  const slowest = Math.max(1, ...bars.map((bar) => Number(bar.dataset.ms)));
  for (const bar of bars) bar.setAttribute('viewBox', `0 0 ${slowest} 1`);
}

function release() {
  if (waiting === 0) return;
  for (const row of held) row.classList.add('fresh');
  rows.prepend(...held);
  while (rows.children.length > mostRows) rows.lastElementChild.remove();
  scale();
  document.getElementById('log-card').classList.remove('nothing');
  document.getElementById('log-empty').hidden = true;
  say(t('new_requests', waiting));
  held = [];
  waiting = 0;
  heldButton.hidden = true;
}

function goOn() {
  if (!isReading()) release();
}

function show(html, newest) {
  const fresh = new DOMParser().parseFromString(`<table><tbody>${html}</tbody></table>`, 'text/html');
  times(fresh);
  const known = new Set(held.map((row) => row.id));
  const added = [...fresh.querySelectorAll('tr')].filter((row) => !known.has(row.id) && !document.getElementById(row.id));
  rows.dataset.newest = newest;
  if (added.length === 0) return;
  held = [...added, ...held].slice(0, mostRows);
  waiting += added.length;
  if (isReading()) hold();
  else release();
}

heldButton.addEventListener('click', () => {
  release();
  rows.scrollIntoView();
  rows.querySelector('a.cover').focus({ preventScroll: true });
});
addEventListener('scroll', goOn, { passive: true });
drawer.addEventListener('close', goOn);

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
