// A token's page: edit, switch, delete, its account, and why it would be chosen.

import { api, complain, el, number, t, timeText, toast } from './page.js';
import { refresh } from './live.js';
import { startLogin } from './startlogin.js';
import { testToken, verdictOf } from './tokentest.js';
import { flip, release, removeToken, tagsOf } from './tokenactions.js';

const head = document.getElementById('token-head');
const { id, name } = head.dataset;
const path = `/admin/api/tokens/${encodeURIComponent(id)}`;

// switches does something that changes what the page offers.
function switches(button, change) {
  button?.addEventListener('click', async () => {
    try {
      if (await change() !== false) location.reload();
    } catch (error) {
      complain(error);
    }
  });
}

switches(document.getElementById('toggle-token'), () => flip(id, name, head.dataset.enabled));
switches(document.getElementById('release-token'), () => release(id, name));

// The credential.

document.getElementById('refresh-token')?.addEventListener('click', async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  try {
    await api('POST', `${path}/refresh`);
    toast(t('refreshed'));
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
    await refresh();
  }
});

document.getElementById('token-login').addEventListener('click', async (event) => {
  const button = event.target.closest('[data-login]');
  if (!button) return;
  button.disabled = true;
  try {
    await startLogin({ token_id: id });
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
});

document.getElementById('delete-token').addEventListener('click', async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  try {
    await removeToken(id, name, () => location.reload());
    for (const control of document.querySelectorAll('main button, main input')) control.disabled = true;
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
});

// Editing.

const form = document.getElementById('edit-form');
const status = document.getElementById('edit-status');

function changed() {
  const fields = {};
  const { alias, tags, cap, weight, checksum, proxy } = form.elements;
  if (alias.value !== alias.defaultValue) fields.alias = alias.value.trim();
  if (tags.value !== tags.defaultValue) fields.tags = tagsOf(tags.value);
  if (cap.value !== cap.defaultValue) fields.cap = cap.valueAsNumber;
  if (weight.value !== weight.defaultValue) fields.weight = weight.valueAsNumber;
  if (proxy.value !== proxy.defaultValue) fields.proxy = proxy.value.trim();
  if (checksum.value.trim()) fields.checksum = checksum.value.trim();
  return fields;
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const fields = changed();
  if (Object.keys(fields).length === 0) {
    status.textContent = t('saved');
    return;
  }
  try {
    const untried = form.elements.untried.checked ? '?check=false' : '';
    const token = await api('PATCH', path + untried, fields, head.dataset.version);
    head.dataset.version = token.version;
    form.elements.proxy.value = token.proxy; // without its password
    for (const control of form.elements) control.defaultValue = control.value;
    form.elements.checksum.value = '';
    document.querySelector('h1').textContent = token.alias || token.token;
    status.textContent = '';
    toast(t('saved'));
    await refresh();
  } catch (error) {
    if (error.status === 412) {
      head.dataset.version = (await api('GET', path)).version;
      status.textContent = t('changed_meanwhile');
    } else {
      status.textContent = error.message;
    }
  }
});

// The account. The gateway asks the upstream at most now and then.

const account = document.getElementById('account');

function fact(label, value) {
  return value == null || value === '' ? null : el('div', {}, el('dt', {}, label), el('dd', {}, String(value)));
}

function quotaOf(quota) {
  const most = quota.max_requests;
  const text = most == null ? number(quota.requests) : t('account_of', number(quota.requests), number(most));
  const row = el('div', {}, el('dt', {}, quota.name), el('dd', {}, `${text} ${t('account_requests')}`));
  if (most) {
    row.lastElementChild.append(el('div', { class: 'quota' },
      el('meter', { min: 0, max: most, high: most * 0.8, value: quota.requests, 'aria-label': quota.name })));
  }
  return row;
}

function showAccount(answer) {
  const found = answer?.account ?? answer;
  if (!found) {
    account.replaceChildren(el('p', { class: 'faint' }, t('account_none')));
    return;
  }
  const facts = [
    fact(t('account_email'), found.email), fact(t('account_name'), found.name),
    fact(t('account_plan'), found.membership), fact(t('account_status'), found.subscription_status),
    fact(t('account_trial'), found.trial_days_left), ...(found.quotas ?? []).map(quotaOf),
    fact(t('account_since'), found.quota_start && timeText(found.quota_start)),
    fact(t('account_resets'), found.quota_resets_at && timeText(found.quota_resets_at)),
    fact(t('account_asof'), found.as_of && timeText(found.as_of)),
  ].filter(Boolean);
  account.replaceChildren(
    ...(found.error ? [el('p', { class: 'notice warn' }, found.error)] : []),
    facts.length ? el('dl', { class: 'facts' }, ...facts) : el('p', { class: 'faint' }, t('account_none')));
}

async function askAccount(query = '') {
  try {
    showAccount(await api('GET', `${path}/account${query}`));
  } catch (error) {
    account.replaceChildren(el('p', { class: 'faint' }, error.message));
  }
}

if (account) {
  document.getElementById('ask-account').addEventListener('click', () => askAccount('?refresh=true'));
  askAccount();
}

// Why, or why not.

// Of the targets of a route, the one counts that the token belongs to.
function explained(answer) {
  const target = answer.targets.find(({ candidates }) => candidates.some((candidate) => candidate.token_id === id)) ?? answer;
  const own = whyNot(target);
  if (!target.cause) return own;
  return `${own} ${t('explain_cause', t(`class.${target.cause}`), timeText(target.cause_until))}`;
}

function whyNot(answer) {
  const own = answer.candidates.find((candidate) => candidate.token_id === id);
  if (!own) return t('explain_absent', answer.upstream);
  if (answer.chosen === id) return t('explain_this');
  if (own.excluded_by) {
    const until = own.until ? `, ${t('explain_until', timeText(own.until))}` : '';
    return t('explain_excluded', t(`excluded_${own.excluded_by}`) + until);
  }
  const chosen = answer.candidates.find((candidate) => candidate.token_id === answer.chosen);
  return chosen ? t('explain_other', chosen.alias || chosen.token_id) : t('explain_none');
}

document.getElementById('test-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const send = document.getElementById('test-send');
  const answer = document.getElementById('test-answer');
  send.disabled = true;
  answer.replaceChildren(el('p', {}, t('testing')));
  try {
    answer.replaceChildren(...verdictOf(await testToken(id, form.elements.model.value)));
    await refresh();
  } catch (error) {
    complain(error);
  } finally {
    send.disabled = false;
  }
});

document.getElementById('explain-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const line = document.getElementById('explain-answer');
  try {
    const model = document.getElementById('explain-model').value;
    line.textContent = explained(await api('GET', `/admin/api/explain?model=${encodeURIComponent(model)}`));
  } catch (error) {
    line.textContent = error.message;
  }
});
