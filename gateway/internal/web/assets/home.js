// Home: kept current, with its chart, and what to set in a client, which turns green when
// the first request has come.

import './chart.js';
import './keys.js';

const panel = document.getElementById('connect');

document.addEventListener('refreshed', () => {
  if (!panel || !document.getElementById('first-request')) return;
  panel.classList.add('done');
  document.getElementById('first-waits').hidden = true;
  document.getElementById('first-came').hidden = false;
});
