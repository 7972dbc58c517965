// The two token files. Their contents are secret: they come when they are asked
// for, and go with the page.

import { call, complain, el, t, toast } from './page.js';

const tokens = document.getElementById('tokens-text');
const list = document.getElementById('list-text');
const save = document.getElementById('save-files');
const status = document.getElementById('files-status');
let revision;
let loaded = { tokens: '', list: '' };

const lines = (text) => text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));

/** The token of a line of either file: without its alias and its checksum. */
function tokenOf(line) {
  const [first] = line.replace(/^WorkosCursorSessionToken=/, '').replace(/%3A/gi, ':').split(',');
  return first.split('::').pop().trim();
}

const tokensOf = (text) => new Set(lines(text).map(tokenOf));
const isChanged = () => save.disabled === false && (tokens.value !== loaded.tokens || list.value !== loaded.list);

function count() {
  document.getElementById('tokens-count').textContent = t('tokens_n', tokensOf(tokens.value).size);
  document.getElementById('list-count').textContent = t('tokens_n', tokensOf(list.value).size);
}

async function load() {
  const answer = await call('POST', '/get-tokeninfo');
  tokens.value = answer.value.tokens;
  list.value = answer.value.token_list;
  revision = answer.revision;
  loaded = { tokens: tokens.value, list: list.value };
  for (const control of [tokens, list, save]) control.disabled = false;
  for (const area of [tokens, list]) area.placeholder = '';
  count();
}

function showReport({ report, token_count: inPool }) {
  const { accepted, updated, deleted, rejected } = report;
  const notice = el('p', { class: rejected.length ? 'notice warn' : 'notice', id: 'files-result' },
    t('report_deleted', accepted, updated, deleted, rejected.length), ' ', t('in_pool', inPool));
  const rows = rejected.map(({ file, line, reason }) => el('li', {},
    el('span', { class: 'mono faint' }, file), el('strong', {}, t('line', line)), el('span', {}, reason)));
  status.replaceChildren(notice, ...(rows.length ? [el('ol', { id: 'files-rejected' }, ...rows)] : []));
}

function say(message, kind = 'bad') {
  status.replaceChildren(el('p', { class: `notice ${kind}` }, message));
}

// wouldDelete counts the tokens that were in the list and are nowhere now.
function wouldDelete() {
  const left = new Set([...tokensOf(tokens.value), ...tokensOf(list.value)]);
  return [...tokensOf(loaded.list)].filter((token) => !left.has(token)).length;
}

async function agreed(count) {
  const dialog = document.getElementById('delete-dialog');
  document.getElementById('delete-text').textContent = t('files_delete', count);
  dialog.returnValue = '';
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener('close', resolve, { once: true }); });
  return dialog.returnValue === 'yes';
}

async function store() {
  if (save.disabled) return;
  if (!tokens.value.trim()) {
    say(t('files_empty'));
    return;
  }
  const lost = wouldDelete();
  if (lost > 0 && !(await agreed(lost))) return;
  save.disabled = true;
  try {
    const { value } = await call('POST', '/update-tokeninfo', { tokens: tokens.value, token_list: list.value }, revision);
    await load();
    showReport(value);
    toast(t('saved'));
  } catch (error) {
    if (error.status === 409 || error.status === 412) {
      say(t('changed_meanwhile'), 'warn');
      revision = undefined;
    } else {
      say(error.message);
    }
  } finally {
    save.disabled = false;
  }
}

document.getElementById('load-files').addEventListener('click', () => {
  load().then(() => status.replaceChildren(), (error) => say(error.message));
});
document.getElementById('reload-files').addEventListener('click', async () => {
  try {
    showReport((await call('GET', '/update-tokeninfo')).value);
    if (!save.disabled && !isChanged()) await load();
  } catch (error) {
    complain(error);
  }
});
save.addEventListener('click', store);
for (const area of [tokens, list]) area.addEventListener('input', count);

document.addEventListener('keydown', (event) => {
  if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  store();
});

addEventListener('beforeunload', (event) => {
  if (isChanged()) event.preventDefault();
});
