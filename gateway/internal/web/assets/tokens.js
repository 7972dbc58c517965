// The table of tokens: add, enable, disable, delete with undo, also for many at
// once.

import { api, complain, el, number, t, timeText, toast } from './page.js';
import { refresh } from './live.js';
import { askEdit } from './bulkedit.js';
import { openBeside } from './drawer.js';
import { askUntil, flip, release, removeToken } from './tokenactions.js';
import { startLogin } from './startlogin.js';
import { undoChange } from './undo.js';
import { makeUpstream } from './newupstream.js';
import { testNewest } from './newesttests.js';

const rowOf = (element) => element.closest('tr[data-key]');

document.addEventListener('click', (event) => {
  const action = event.target.closest('[data-action]')?.dataset.action;
  if (!action) return;
  const { key, name, enabled } = rowOf(event.target).dataset;
  if (action === 'toggle') flip(key, name, enabled).then(refresh).catch(complain);
  if (action === 'release') release(key, name).then(refresh).catch(complain);
  if (action === 'delete') removeToken(key, name, refresh).then(refresh).catch(complain);
});

// An account opens beside the list, and is shown again as often as that.

const again = openBeside({
  rows: document.getElementById('tokens'),
  row: 'token-',
  hash: '#account-',
  link: '.title a:first-child',
  page: (id) => `/admin/tokens/${encodeURIComponent(id)}`,
  part: (id) => `/admin/tokens/${encodeURIComponent(id)}/now`,
  body: 'account-now',
  head: 'account-state',
});
document.addEventListener('refreshed', () => { again().catch(() => {}); }); // the next one may work

// Selection: tokens of this page, or all that match.

// The most that are changed at a time.
const most = 5000;

const bulk = document.getElementById('bulk');
const all = document.getElementById('bulk-all');
const table = document.getElementById('tokens');
const testsMatching = document.getElementById('tests-matching');
const boxes = () => [...document.querySelectorAll('input[name="selected"]')];
const selected = () => boxes().filter((box) => box.checked);
const rests = (box) => rowOf(box).dataset.rests === 'true';
const total = () => Number(table.dataset.total ?? 0);
let matching = false;

function showSelection() {
  const count = selected().length;
  const whole = count > 0 && count === boxes().length;
  matching &&= whole;
  bulk.hidden = count === 0;
  testsMatching.disabled = !matching;
  bulk.querySelector('[data-bulk=release]').hidden = matching || !selected().some(rests);
  all.hidden = matching || !whole || total() <= count || total() > most;
  all.textContent = t('select_matching', number(total()));
  document.getElementById('bulk-count').textContent = count ? (matching ? t('selected_matching', number(total())) : t('selected', count)) : '';
  const head = document.getElementById('select-all');
  if (!head) return;
  head.checked = whole;
  head.indeterminate = count > 0 && !whole;
}

document.addEventListener('change', (event) => {
  if (event.target.id === 'select-all') boxes().forEach((box) => { box.checked = event.target.checked; });
  if (event.target.id === 'select-all' || event.target.name === 'selected') {
    matching = false;
    showSelection();
  }
});
document.addEventListener('refreshed', () => {
  if (matching) boxes().forEach((box) => { box.checked = true; }); // rows that have come are of those that match
  showSelection();
});

async function undo(change) {
  try {
    await undoChange(change);
    await refresh();
  } catch (error) {
    complain(error);
  }
}

// chosen is what a change is about: ids, or what is looked for, with how many there were.
function chosen(kind) {
  if (matching) return { filter: JSON.parse(table.dataset.filter), count: total() };
  return { ids: selected().filter((box) => kind !== 'release' || rests(box)).map((box) => box.value) };
}

function saidOf(kind, count, until) {
  if (until) return t('disabled_many_until', number(count), timeText(until));
  if (kind === 'edit') return t('edited_many', number(count));
  return t(`${kind}d_many`, number(count));
}

// change does something to many tokens as one change, which can be undone as one. how is what was
// answered to a question on it.
async function change(kind, what, how) {
  const { change: id, count, failed, failures } = await api('POST', '/admin/api/tokens/bulk', { action: kind, ...what, ...how });
  if (failed > 0) toast(t('some_failed', failed, what.count ?? what.ids.length, failures[0].reason), { bad: true });
  if (count === 0 && failed > 0) return;
  const action = kind === 'release' || count === 0 ? undefined : { label: t('undo'), run: () => undo(id) };
  toast(saidOf(kind, count, how.until), { action });
}

// What is asked before a change.
const questions = { disable: askUntil, edit: askEdit };

function unselect() {
  matching = false;
  boxes().forEach((box) => { box.checked = false; });
  showSelection();
}

bulk.addEventListener('click', async (event) => {
  const kind = event.target.closest('[data-bulk]')?.dataset.bulk;
  if (!kind || kind === 'test') return; // a form of its own, which sends what is ticked
  if (kind === 'all') {
    matching = true;
    showSelection();
    bulk.querySelector('[data-bulk=clear]').focus();
    return;
  }
  if (kind === 'clear') {
    unselect();
    return;
  }
  const what = chosen(kind);
  const count = what.count ?? what.ids.length;
  const answer = questions[kind] ? await questions[kind](t('tokens_n', number(count))) : {};
  if (!answer) return;
  unselect();
  try {
    await change(kind, what, answer);
  } catch (error) {
    if (error.param === 'count') toast(t('matching_changed', error.message.replace(/\.$/, '')), { bad: true });
    else complain(error);
  }
  await refresh().catch(complain);
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
  const upstream = await makeUpstream();
  const proxy = document.getElementById('add-proxy').value.trim();
  if (proxy && format !== 'json') return addThrough(proxy, upstream, format);
  if (proxy) throw new Error(t('proxy_json'));
  return api('POST', '/admin/api/tokens/import', { content: paste.value, format, upstream });
}

document.getElementById('add-file').addEventListener('change', async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  paste.value = await file.text();
  previewSoon();
});

// What would become of what was pasted is shown a moment after the last key, and asked once at a time.

const moment = 500; // ms
let timer;
let previewing = 0;

function showPreview({ accepted, updated, rejected, tokens }) {
  const notice = el('p', { class: rejected.length ? 'notice warn' : 'notice', id: 'add-preview' }, t('preview', number(accepted), number(updated), number(rejected.length)));
  const lines = tokens.map(({ line, known, alias, token, upstream }) => ({ line, reason: [known ? t('preview_known') : t('preview_new'), alias, token, upstream].filter(Boolean).join(' · ') }));
  report.replaceChildren(notice, ...linesOf('add-refused', rejected), ...linesOf('add-lines', lines));
}

async function preview() {
  const mine = previewing += 1;
  const content = paste.value;
  if (!content.trim()) {
    report.replaceChildren();
    return;
  }
  const format = document.getElementById('add-format').value || formatOf(content);
  const upstream = document.getElementById('add-upstream').value;
  if (!upstream) { // a new one: nothing is known there
    report.replaceChildren();
    return;
  }
  try {
    const answer = await api('POST', '/admin/api/tokens/import', { content, format, upstream, dry_run: true });
    if (mine === previewing && dialog.open) showPreview(answer);
  } catch {
    // Adding says what is wrong, also where the tokenstore is too old to say it before.
  }
}

function previewSoon() {
  clearTimeout(timer);
  timer = setTimeout(preview, moment);
}

paste.addEventListener('input', previewSoon);
document.getElementById('add-format').addEventListener('change', previewSoon);
document.getElementById('add-upstream').addEventListener('change', previewSoon);

const addForm = document.getElementById('add-form');
const buttons = [document.getElementById('add-submit'), document.getElementById('add-test')];

async function submit(tests) {
  for (const button of buttons) button.disabled = true;
  clearTimeout(timer);
  previewing += 1;
  report.replaceChildren();
  try {
    const answer = await add();
    showReport(answer);
    if (tests && answer.accepted > 0) {
      paste.value = ''; // it is in the pool, and a secret
      const tests = new AbortController();
      dialog.addEventListener('close', () => tests.abort(), { once: true });
      await testNewest(answer.accepted, report, tests.signal);
    } else if (answer.rejected.length + answer.warnings.length === 0) {
      paste.value = '';
      dialog.close();
      toast(t('report', answer.accepted, answer.updated, 0));
    }
    await refresh();
  } catch (error) {
    report.replaceChildren(el('p', { class: 'notice bad' }, error.message));
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

addForm.addEventListener('submit', (event) => {
  event.preventDefault();
  submit(false);
});
document.getElementById('add-test').addEventListener('click', () => { if (addForm.reportValidity()) submit(true); });

// What was pasted is a secret: it does not stay in a closed dialog.
dialog.addEventListener('close', () => {
  clearTimeout(timer);
  previewing += 1;
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
