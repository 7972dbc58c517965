// What every page's script needs: texts, calls of the API, times, and short
// messages. Nothing is kept in the browser's storage.

const { default: texts } = await import(document.documentElement.dataset.texts);

/** The text of a key, with {0}, {1} … replaced by the arguments. */
export function t(key, ...args) {
  return (texts[key] ?? key).replace(/\{(\d)\}/g, (_, i) => args[i]);
}

const locale = document.documentElement.lang === 'zh' ? 'zh-CN' : 'en';

const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? '';

/** A refused call: its sentence, and the HTTP status (0: no answer came). */
export class Refused extends Error {
  constructor(status, message, code, param) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** The headers that a call of this site's API needs. */
export function headers(extra = {}) {
  return { 'X-CSRF-Token': csrf, ...extra };
}

/**
 * Calls the API and answers {value, revision}: its JSON, undefined where there
 * is none, and the revision of what it shows. A revision that is given is sent
 * as If-Match. Throws Refused.
 */
export async function call(method, path, body, revision) {
  const extra = {};
  if (body !== undefined) extra['Content-Type'] = 'application/json';
  if (revision) extra['If-Match'] = `"${revision}"`;
  let response;
  try {
    response = await fetch(path, { method, headers: headers(extra), body: body && JSON.stringify(body), cache: 'no-store' });
  } catch {
    throw new Refused(0, t('network'));
  }
  const text = await response.text();
  let value;
  try {
    value = text ? JSON.parse(text) : undefined;
  } catch {
    value = undefined;
  }
  if (!response.ok) throw refusal(response.status, value);
  return { value, revision: response.headers.get('ETag')?.replaceAll('"', '') };
}

/** Is call for whoever wants only the JSON. */
export async function api(...args) {
  return (await call(...args)).value;
}

/** The Refused of an error object. */
export function refusal(status, value) {
  if (status === 401) return new Refused(401, t('session'));
  const error = value?.error;
  return new Refused(status, capital(error?.message ?? `HTTP ${status}`), error?.code, error?.param);
}

// The API's messages begin with a small letter.
const capital = (message) => message.charAt(0).toUpperCase() + message.slice(1);

/** Makes an element: el('p', {class: 'x'}, 'text', child …). */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const toasts = document.getElementById('toasts');
const newToast = document.getElementById('toast').content.firstElementChild;

/** Shows a message for some seconds; action is {label, run}. */
export function toast(message, { action, bad = false } = {}) {
  const box = newToast.cloneNode(true);
  box.classList.toggle('bad', bad);
  box.querySelector('p').textContent = message;
  const close = () => box.remove();
  box.querySelector('[data-dismisses]').addEventListener('click', close);
  const button = box.querySelector('[data-does]');
  if (action) {
    button.textContent = action.label;
    button.hidden = false;
    button.addEventListener('click', () => { close(); action.run(); });
  } else {
    button.remove();
  }
  toasts.append(box);
  let timer;
  const wait = () => { timer = setTimeout(close, action || bad ? 12000 : 5000); };
  // Nobody loses a message while reading it or reaching for its button.
  box.addEventListener('pointerenter', () => clearTimeout(timer));
  box.addEventListener('pointerleave', wait);
  box.addEventListener('focusin', () => clearTimeout(timer));
  box.addEventListener('focusout', wait);
  wait();
  while (toasts.children.length > 4) toasts.firstElementChild.remove();
}

/** Says why something did not work. */
export function complain(error) {
  if (error.status === 401) {
    toast(error.message, { bad: true, action: { label: t('login'), run: () => location.reload() } });
    return;
  }
  toast(t('failed', error.message), { bad: true });
}

// Times: in the reader's zone, the recent and the near ones as a distance.

const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
const sameDay = new Intl.DateTimeFormat(locale, { timeStyle: 'medium', hourCycle: 'h23' });
const otherDay = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const otherYear = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const tick = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const distance = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });

const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

function relative(at) {
  const seconds = Math.round((at - Date.now()) / 1000);
  if (Math.abs(seconds) > 60 * 86400) return otherYear.format(at);
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return distance.format(Math.trunc(seconds / size), unit);
}

function absolute(at) {
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return sameDay.format(at);
  return at.getFullYear() === now.getFullYear() ? otherDay.format(at) : otherYear.format(at);
}

function tickOf(at) {
  return Math.abs(Date.now() - at) > 26 * 3600e3 ? otherDay.format(at) : tick.format(at);
}

/** Writes the times within root as this reader would. */
export function times(root) {
  for (const text of root.querySelectorAll('text[data-at]')) text.textContent = tickOf(new Date(text.dataset.at));
  for (const element of root.querySelectorAll('time[datetime]')) {
    const at = new Date(element.dateTime);
    if ('tick' in element.dataset) {
      element.textContent = tickOf(at);
      continue;
    }
    element.title = full.format(at);
    element.textContent = 'relative' in element.dataset ? relative(at) : absolute(at);
  }
}

/** A time as text, for what scripts write. */
export function timeText(iso) {
  return full.format(new Date(iso));
}

/** A whole number with separators. */
export function number(n) {
  return new Intl.NumberFormat(locale).format(n);
}
