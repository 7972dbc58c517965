// The table of tokens: add, enable, disable, delete with undo, also for many at
// once.

import { api, complain, el, t, toast } from './page.js';
import { refresh } from './live.js';
import { flip, release, removeToken } from './tokenactions.js';
import { startLogin } from './startlogin.js';
import { undoChange } from './undo.js';

const rowOf = (element) => element.closest('tr[data-key]');

document.addEventListener('click', (event) => {
  const action = event.target.closest('[data-action]')?.dataset.action;
  if (!action) return;
  const { key, name, enabled } = rowOf(event.target).dataset;
  if (action === 'toggle') flip(key, name, enabled).then(refresh).catch(complain);
  if (action === 'release') release(key, name).then(refresh).catch(complain);
  if (action === 'delete') removeToken(key, name, refresh).then(refresh).catch(complain);
});

// Selection.

const bulk = document.getElementById('bulk');
const boxes = () => [...document.querySelectorAll('input[name="selected"]')];
const selected = () => boxes().filter((box) => box.checked);
const rests = (box) => rowOf(box).dataset.rests === 'true';

function showSelection() {
  const count = selected().length;
  bulk.hidden = count === 0;
  bulk.querySelector('[data-bulk=release]').hidden = !selected().some(rests);
  document.getElementById('bulk-count').textContent = count ? t('selected', count) : '';
  const all = document.getElementById('select-all');
  if (!all) return;
  all.checked = count > 0 && count === boxes().length;
  all.indeterminate = count > 0 && count < boxes().length;
}

document.addEventListener('change', (event) => {
  if (event.target.id === 'select-all') boxes().forEach((box) => { box.checked = event.target.checked; });
  if (event.target.id === 'select-all' || event.target.name === 'selected') showSelection();
});
document.addEventListener('refreshed', showSelection);

async function undo(change) {
  try {
    await undoChange(change);
    await refresh();
  } catch (error) {
    complain(error);
  }
}

// change does something to many tokens as one change, which can be undone as one.
async function change(kind, ids) {
  const { change: id, count, failed, failures } = await api('POST', '/admin/api/tokens/bulk', { action: kind, ids });
  if (failed > 0) toast(t('some_failed', failed, ids.length, failures[0].reason), { bad: true });
  if (count === 0 && failed > 0) return;
  const action = kind === 'release' || count === 0 ? undefined : { label: t('undo'), run: () => undo(id) };
  toast(t(`${kind}d_many`, count), { action });
}

bulk.addEventListener('click', async (event) => {
  const kind = event.target.closest('[data-bulk]')?.dataset.bulk;
  if (!kind) return;
  const ids = selected().filter((box) => kind !== 'release' || rests(box)).map((box) => box.value);
  boxes().forEach((box) => { box.checked = false; });
  showSelection();
  if (kind === 'clear') return;
  try {
    await change(kind, ids);
    await refresh();
  } catch (error) {
    complain(error);
  }
});

// Adding.

const dialog = document.getElementById('add-dialog');
const paste = document.getElementById('paste');
const report = document.getElementById('add-report');

// formatOf tells the formats apart by what only one of them has.
function formatOf(text) {
  const trimmed = text.trim();
  if (trimmed.startsWith('[') || trimmed.startsWith('{')) return 'json';
  const lines = trimmed.split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));
  return lines.length > 0 && lines.every((line) => line.includes(',')) ? 'token-list' : 'token';
}

/** Selects a line of the text area, so that its reader sees what is meant. */
function showLine(line) {
  const before = paste.value.split('\n').slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
  const end = paste.value.indexOf('\n', before);
  paste.focus();
  paste.setSelectionRange(before, end < 0 ? paste.value.length : end);
}

function linesOf(id, found) {
  if (found.length === 0) return [];
  const lines = found.map(({ line, reason }) => el('li', {},
    el('button', { type: 'button', class: 'link', onclick: () => showLine(line) }, t('line', line)), el('span', {}, reason)));
  return [el('ol', { id }, ...lines)];
}

function showReport({ accepted, updated, rejected, warnings }) {
  const wrong = rejected.length + warnings.length > 0;
  const notice = el('p', { class: wrong ? 'notice warn' : 'notice', id: 'add-result' }, t('report', accepted, updated, rejected.length));
  const doubtful = warnings.length ? [el('p', { class: 'warn-text', id: 'add-doubt' }, t('doubtful', warnings.length))] : [];
  report.replaceChildren(notice, ...linesOf('add-rejected', rejected), ...doubtful, ...linesOf('add-doubtful', warnings));
}

// A file has no place for a proxy: tokens that get one are added one by one.
async function addThrough(proxy, upstream, format) {
  const answer = { accepted: 0, updated: 0, rejected: [], warnings: [] };
  let check = '';
  for (const [at, text] of paste.value.split(/\r?\n/).entries()) {
    const line = text.trim();
    if (!line || line.startsWith('#')) continue;
    const [token, checksum] = format === 'token-list' ? line.split(',') : [line];
    try {
      const { warning } = await api('POST', `/admin/api/tokens${check}`, { token, checksum, upstream, proxy });
      answer.accepted += 1;
      if (warning) answer.warnings.push({ line: at + 1, reason: warning });
      check = '?check=false'; // it works
    } catch (error) {
      answer.rejected.push({ line: at + 1, reason: error.message });
      if (error.param === 'proxy' || error.status === 401 || error.status === 0) throw error;
    }
  }
  return answer;
}

async function add() {
  const format = document.getElementById('add-format').value || formatOf(paste.value);
  const upstream = document.getElementById('add-upstream').value;
  const proxy = document.getElementById('add-proxy').value.trim();
  if (proxy && format !== 'json') return addThrough(proxy, upstream, format);
  if (proxy) throw new Error(t('proxy_json'));
  return api('POST', '/admin/api/tokens/import', { content: paste.value, format, upstream });
}

document.getElementById('add-file').addEventListener('change', async (event) => {
  const [file] = event.target.files;
  if (file) paste.value = await file.text();
});

document.getElementById('add-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const submit = document.getElementById('add-submit');
  submit.disabled = true;
  report.replaceChildren();
  try {
    const answer = await add();
    showReport(answer);
    if (answer.rejected.length + answer.warnings.length === 0) {
      paste.value = '';
      dialog.close();
      toast(t('report', answer.accepted, answer.updated, 0));
    }
    await refresh();
  } catch (error) {
    report.replaceChildren(el('p', { class: 'notice bad' }, error.message));
  } finally {
    submit.disabled = false;
  }
});

// What was pasted is a secret: it does not stay in a closed dialog.
dialog.addEventListener('close', () => {
  document.getElementById('add-form').reset();
  report.replaceChildren();
});

// Logging in.

document.getElementById('login-form')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { upstream, alias, proxy } = event.target.elements;
  const start = document.getElementById('login-start');
  start.disabled = true;
  try {
    await startLogin({ upstream: upstream.value, alias: alias.value.trim(), proxy: proxy.value.trim() });
  } catch (error) {
    start.disabled = false;
    document.getElementById('login-status').textContent = error.message;
  }
});

if (location.hash === '#add') dialog.showModal();
