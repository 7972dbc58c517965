// Upstreams: add, edit, delete.

import { api, complain, t, toast } from './page.js';
import { refresh } from './live.js';

const dialog = document.getElementById('upstream-dialog');
const form = document.getElementById('upstream-form');
const status = document.getElementById('upstream-status');
const path = (name) => `/admin/api/upstreams/${encodeURIComponent(name)}`;
// The settings that have their own fields; the others are lines.
const own = [...form.querySelectorAll('[data-setting]')];
// The fields that only the upstreams of one driver have.
const special = [...form.querySelectorAll('[data-driver]')];
let version;

function fill(settings) {
  for (const field of own) field.value = settings[field.name] ?? '';
  const failures = document.getElementById('u-failures');
  failures.open = own.some((field) => failures.contains(field) && field.value);
  form.elements.settings.value = Object.entries(settings)
    .filter(([name]) => !own.some((field) => field.name === name))
    .map(([name, value]) => `${name}=${value}`).sort().join('\n');
}

function showSpecial() {
  for (const field of special) field.hidden = field.dataset.driver !== form.elements.driver.value;
}

function edit(data = {}) {
  form.reset();
  const { name, driver, base_url: url, models } = form.elements;
  name.value = data.name ?? '';
  name.readOnly = Boolean(data.name);
  driver.value = data.driver ?? 'openai';
  url.value = data.url ?? '';
  models.value = data.models ?? '';
  fill(JSON.parse(data.settings ?? '{}') ?? {});
  showSpecial();
  document.getElementById('u-preset-field').hidden = Boolean(data.name);
  version = data.version;
  status.textContent = '';
  dialog.showModal();
}

// A provider brings its name, driver and address.
document.getElementById('u-preset').addEventListener('change', ({ target }) => {
  const { name, driver, url } = target.selectedOptions[0].dataset;
  if (!name) return;
  form.elements.name.value = name;
  form.elements.driver.value = driver;
  form.elements.base_url.value = url;
  showSpecial();
});

// A driver whose upstream is one vendor's brings the address, unless another one was typed.
form.elements.driver.addEventListener('change', ({ target }) => {
  const { base_url: url } = form.elements;
  const presets = [...target.options].map((option) => option.dataset.url ?? '');
  if (presets.includes(url.value) || !url.value) url.value = target.selectedOptions[0].dataset.url ?? '';
  showSpecial();
});

const linesOf = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

function pairs(text) {
  return Object.fromEntries(linesOf(text).map((line) => {
    const at = line.indexOf('=');
    if (at < 1) throw new Error(t('upstream_settings', line));
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

const wellNamed = (name) => /^[a-z][a-z0-9_-]{0,39}$/.test(name);

const settings = () => ({
  ...pairs(form.elements.settings.value),
  ...Object.fromEntries(own.filter((field) => field.value.trim() && !field.closest('[hidden]')).map((field) => [field.name, field.value.trim()])),
});

document.getElementById('add-upstream').addEventListener('click', () => edit());

async function agreed(name) {
  const question = document.getElementById('delete-dialog');
  document.getElementById('delete-text').textContent = t('confirm_upstream', name);
  question.returnValue = '';
  question.showModal();
  await new Promise((resolve) => { question.addEventListener('close', resolve, { once: true }); });
  return question.returnValue === 'yes';
}

// said tells what asking the upstream brought: whether it was saved is told in any case.
function said(name, { state, models, detail }) {
  if (state === 'reachable') return t('upstream_reachable', name, models === null ? detail : t('upstream_lists', models));
  if (state === 'not_asked') return t('upstream_saved', name);
  return state === 'refused' ? t('upstream_refused', name, detail) : t('upstream_unreachable', name, detail);
}

document.getElementById('upstreams').addEventListener('click', async (event) => {
  const card = event.target.closest('section');
  if (event.target.closest('[data-edit]')) edit(card.dataset);
  if (!event.target.closest('[data-delete]')) return;
  const { name } = card.dataset;
  if (!(await agreed(name))) return;
  try {
    await api('DELETE', path(name), undefined, card.dataset.version);
    toast(t('deleted', name));
    await refresh();
  } catch (error) {
    complain(error);
  }
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { name, driver, base_url: url, models } = form.elements;
  name.setAttribute('aria-invalid', !wellNamed(name.value));
  if (!wellNamed(name.value)) {
    status.textContent = t('upstream_name');
    name.focus();
    return;
  }
  const save = document.getElementById('upstream-save');
  save.disabled = true;
  try {
    const { check } = await api('PUT', path(name.value) + (form.elements.untried.checked ? '?check=false' : ''), {
      driver: driver.value, base_url: url.value.trim(), models: linesOf(models.value), settings: settings(),
    }, version);
    dialog.close();
    toast(said(name.value, check), { bad: check.state === 'refused' || check.state === 'unreachable' });
    await refresh();
  } catch (error) {
    if (error.status === 412) version = undefined; // saved again, it replaces theirs
    status.textContent = error.status === 412 ? t('changed_meanwhile') : error.message;
  } finally {
    save.disabled = false;
  }
});
