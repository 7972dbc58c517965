// Says on every page, by a dot and a banner, when the gateway can't be reached, and stops
// saying so when it is back. What a page shows is as of the last contact.

import { el, t, timeText } from './page.js';

// A failure is seen after pause and patience, in ms: within 5 s.
const pause = 2500;
const patience = 2000;

let last = Date.now();
let banner;

// The dot beside the navigation; there is none without a login.
const dot = document.getElementById('connection');
if (dot) dot.hidden = false;

function tell(isLost) {
  if (!dot) return;
  dot.classList.toggle('lost', isLost);
  const said = isLost ? t('connection_lost') : t('connection_live');
  const place = dot.querySelector('[data-said]');
  if (place.textContent !== said) place.textContent = said; // it is read aloud
}

/** Notes that the gateway has just answered: no ping is needed then. */
export function heard() {
  last = Date.now();
  if (!banner) return;
  banner.remove();
  banner = undefined;
  tell(false);
}

function lost() {
  if (banner) return;
  banner = el('p', { class: 'notice bad connection', id: 'connection-lost', role: 'alert' }, t('lost', timeText(new Date(last).toISOString())));
  document.getElementById('main').prepend(banner);
  tell(true);
}

async function ping() {
  try {
    // A proxy before the gateway may answer in its place: 502, 503, 504.
    const { status } = await fetch('/admin/ping', { cache: 'no-store', signal: AbortSignal.timeout(patience) });
    if (status < 500) heard();
    else lost();
  } catch {
    lost();
  }
}

// Asks whenever nothing was heard for the pause, and as often while it is lost.
async function watch() {
  const isDue = banner || Date.now() - last >= pause;
  if (isDue && !document.hidden) await ping();
  setTimeout(watch, isDue ? pause : last + pause - Date.now());
}

setTimeout(watch, pause);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && (banner || Date.now() - last >= pause)) ping();
});
