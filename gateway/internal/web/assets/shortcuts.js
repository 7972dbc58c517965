// Keys for whoever lives on these pages: ? shows them, and has the switch that turns them off.

import { hasShortcuts, isTyping } from './palette.js';

const list = document.getElementById('shortcuts');

// How long the second of two keys may take, in ms.
const patience = 3000;

// Until when a letter says where to go, in ms of the page's clock.
let goesUntil = 0;

const link = (row) => row.querySelector('a[href]');
const rows = () => [...document.querySelectorAll('main tbody tr')].filter((row) => row.checkVisibility() && link(row));
const row = () => document.activeElement?.closest('main tbody tr');

// step moves the focus by rows; where it is in none, into the first, or the last.
function step(by) {
  const all = rows();
  const at = all.indexOf(row());
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
  if (all[next]) link(all[next]).focus();
}

const acts = {
  '?': () => list.showModal(),
  g: () => { goesUntil = performance.now() + patience; },
  j: () => step(1),
  k: () => step(-1),
  x: () => row()?.querySelector('input[type=checkbox]')?.click(),
  e: () => row()?.querySelector('[data-edit]')?.click(),
};

function hear(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target) || document.querySelector('dialog[open]')) return;
  const place = performance.now() < goesUntil && document.querySelector(`.nav [data-go="${CSS.escape(event.key)}"]`);
  const act = place ? () => place.click() : acts[event.key];
  if (event.key !== 'Shift') goesUntil = 0;
  if (!act) return;
  event.preventDefault();
  act();
}

if (list && hasShortcuts) document.addEventListener('keydown', hear);
