// Upstreams: add, edit, delete.

import { api, complain, t } from './page.js';

const dialog = document.getElementById('upstream-dialog');
const form = document.getElementById('upstream-form');
const status = document.getElementById('upstream-status');
const path = (name) => `/admin/api/upstreams/${encodeURIComponent(name)}`;
// The settings that have their own fields; the others are lines.
const own = [...form.querySelectorAll('[data-setting]')];
let version;

function fill(settings) {
  for (const field of own) field.value = settings[field.name] ?? '';
  document.getElementById('u-failures').open = own.some((field) => field.value);
  form.elements.settings.value = Object.entries(settings)
    .filter(([name]) => !own.some((field) => field.name === name))
    .map(([name, value]) => `${name}=${value}`).sort().join('\n');
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
  version = data.version;
  status.textContent = '';
  dialog.showModal();
}

const linesOf = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

function pairs(text) {
  return Object.fromEntries(linesOf(text).map((line) => {
    const at = line.indexOf('=');
    if (at < 1) throw new Error(t('upstream_settings', line));
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

const settings = () => ({
  ...pairs(form.elements.settings.value),
  ...Object.fromEntries(own.filter((field) => field.value.trim()).map((field) => [field.name, field.value.trim()])),
});

document.getElementById('add-upstream').addEventListener('click', () => edit());

document.getElementById('upstreams')?.addEventListener('click', async (event) => {
  const card = event.target.closest('section');
  if (event.target.closest('[data-edit]')) edit(card.dataset);
  if (!event.target.closest('[data-delete]')) return;
  const { name } = card.dataset;
  if (!confirm(t('confirm_upstream', name))) return;
  try {
    await api('DELETE', path(name), undefined, card.dataset.version);
    location.reload();
  } catch (error) {
    complain(error);
  }
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { name, driver, base_url: url, models } = form.elements;
  try {
    await api('PUT', path(name.value), {
      driver: driver.value, base_url: url.value.trim(), models: linesOf(models.value), settings: settings(),
    }, version);
    location.reload();
  } catch (error) {
    if (error.status === 412) version = undefined; // saved again, it replaces theirs
    status.textContent = error.status === 412 ? t('changed_meanwhile') : error.message;
  }
});
