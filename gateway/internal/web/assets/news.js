// Tells this page's scripts when to ask the gateway for news. The gateway says so by a stream of
// events, which all pages of this browser share: one of those that are in sight has it, and passes
// on what it hears. Where nothing is heard, because there is no stream or something holds it up,
// all may have changed at any time.

import { heard } from './connection.js';

const address = '/admin/events';
const all = 'all';
// The stream says something every two seconds: after this silence, in ms, it is not counted on.
const silence = 5000;
// How long one who has no stream waits before the next try, in ms.
const firstPause = 1000;
const longestPause = 30000;

const watches = new Set();
let lastWord = Date.now();

/**
 * Has run called when one of the parts may have changed, at most every pause ms, never twice at a
 * time, and not while nobody sees the page; a first time after the pause, since something may have
 * happened while the page was loading. When it fails it is called again. Returns what ends that.
 */
export function onNews(parts, pause, run) {
  const watch = { parts: [all, ...parts], pause, run, last: Date.now(), isStale: true };
  watches.add(watch);
  arrange(watch);
  return () => {
    watches.delete(watch);
    clearTimeout(watch.timer);
  };
}

function arrange(watch) {
  if (!watch.isStale || watch.isBusy || document.hidden || !watches.has(watch)) return;
  watch.isBusy = true;
  watch.timer = setTimeout(async () => {
    if (!document.hidden) {
      watch.isStale = false;
      watch.last = Date.now();
      await watch.run().catch(() => { watch.isStale = true; }); // connection.js tells
    }
    watch.isBusy = false;
    arrange(watch);
  }, Math.max(watch.last + watch.pause - Date.now(), 0));
}

function tell(changed) {
  for (const watch of watches) {
    if (!watch.parts.some((part) => changed.includes(part))) continue;
    watch.isStale = true;
    arrange(watch);
  }
}

function word(text) {
  lastWord = Date.now();
  heard();
  tell(text.split(' '));
}

/** Has the stream until that ends or is silent, or leaving says so; tells whether it has spoken. */
function listen(channel, leaving) {
  return new Promise((resolve) => {
    const stream = new EventSource(address);
    let hasSpoken = false;
    const end = () => {
      stream.close();
      clearTimeout(watchdog);
      leaving.removeEventListener('abort', end);
      resolve(hasSpoken);
    };
    let watchdog = setTimeout(end, 2 * silence);
    leaving.addEventListener('abort', end);
    stream.onerror = end;
    stream.onmessage = ({ data }) => {
      hasSpoken = true;
      clearTimeout(watchdog);
      watchdog = setTimeout(end, 2 * silence);
      word(data);
      channel.postMessage(data);
    };
  });
}

function wait(ms, leaving) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    leaving.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

async function lead(channel, leaving) {
  for (let pause = firstPause; !leaving.aborted; pause = Math.min(2 * pause, longestPause)) {
    if (await listen(channel, leaving)) pause = firstPause;
    if (!leaving.aborted) await wait(pause, leaving);
  }
}

// Pages of one browser: the one that holds the lock has the stream, and tells the others.
const canShare = Boolean(navigator.locks && window.BroadcastChannel && window.EventSource);
const name = 'carousel-news';

let leaving;
let others;

// What nobody sees lets go of all, so that another page can have the stream.
function takePart() {
  leaving?.abort();
  others?.close();
  if (document.hidden) return;
  tell([all]);
  if (!canShare) return;
  leaving = new AbortController();
  others = new BroadcastChannel(name);
  others.onmessage = ({ data }) => word(data);
  const { signal } = leaving;
  const channel = others;
  navigator.locks.request(name, { signal }, () => lead(channel, signal)).catch(() => {}); // it has left
}

/** Begins to listen. It is for pages behind a login. */
export function begin() {
  document.addEventListener('visibilitychange', takePart);
  takePart();
  setInterval(() => {
    if (!document.hidden && Date.now() - lastWord > silence) tell([all]);
  }, firstPause);
}
