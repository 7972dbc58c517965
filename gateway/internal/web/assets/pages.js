// Page contents: what an address serves instead of its built-in page.

import { api, complain, t, toast } from './page.js';

const address = '/admin/api/pages';

async function reset({ path, version }) {
  await api('DELETE', `${address}?path=${encodeURIComponent(path)}`, undefined, version);
}

async function save(form, kind, content) {
  const { path, version } = form.dataset;
  if (kind === 'default') await reset(form.dataset);
  else await api('PUT', address, { path, type: kind, content }, version);
}

for (const form of document.querySelectorAll('.content-form')) {
  const { kind, content } = form.elements;
  const status = form.querySelector('.status');
  kind.addEventListener('change', () => { content.disabled = kind.value === 'default'; });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await save(form, kind.value, content.value);
      location.hash = form.closest('section').id;
      location.reload();
    } catch (error) {
      if (error.status === 412) form.dataset.version = ''; // saved again, it replaces theirs
      status.textContent = error.status === 412 ? t('changed_meanwhile') : error.message;
    }
  });
  form.querySelector('[data-reset]').addEventListener('click', async () => {
    try {
      await reset(form.dataset);
      toast(t('saved'));
      location.reload();
    } catch (error) {
      complain(error);
    }
  });
}

// A link to one of them opens it.
const wanted = location.hash && document.querySelector(`${CSS.escape(location.hash).replace('\\#', '#')} details`);
if (wanted) wanted.open = true;
