// Moving in. The files go to the admin API twice: for a plan, which is shown, and then for good. The
// second time they are those of the plan, whatever is chosen meanwhile.

import { el, headers, refusal, Refused, t } from './page.js';

const form = document.getElementById('movein-form');
const chosen = document.getElementById('m-files');
const format = document.getElementById('m-format');
const status = document.getElementById('movein-status');
const report = document.getElementById('movein-report');
const apply = document.getElementById('movein-apply');
const plan = document.getElementById('movein-plan');

// A browser is slow with more rows; the command line has no such bound.
const shownRows = 2000;

let planned;

async function send({ files, format: name }, dryRun) {
  const body = new FormData();
  for (const file of files) body.append('file', file, file.name);
  const query = new URLSearchParams();
  if (name) query.set('format', name);
  if (dryRun) query.set('dry_run', 'true');
  let response;
  try {
    response = await fetch(`/admin/api/move-in?${query}`, { method: 'POST', headers: headers(), body, cache: 'no-store' });
  } catch {
    throw new Refused(0, t('network'));
  }
  const value = await response.json().catch(() => undefined);
  if (!response.ok) throw refusal(response.status, value);
  return value;
}

const pills = { taken: 'ready', changed: 'cooling', same: 'disabled', left: 'expired' };

function row(item, several) {
  const where = [several || !item.at ? item.file : '', item.at].filter(Boolean).join(', ');
  return el('tr', {},
    el('td', {}, el('span', { class: `pill ${pills[item.outcome]}` }, t(`move_${item.outcome}`))),
    el('th', { scope: 'row' }, item.name, ' ', el('span', { class: 'under' }, t(`move_kind_${item.kind}`), item.token ? ' ' : '', item.token ? el('span', { class: 'mono' }, item.token) : null)),
    el('td', { class: 'mono' }, item.to),
    el('td', {}, where),
    el('td', { lang: 'en' }, item.reason));
}

function show({ applied, counts, files, items }) {
  const more = items.length - shownRows;
  document.getElementById('movein-report-title').textContent = t(applied ? 'move_done' : 'move_plan', counts.taken, counts.changed, counts.same, counts.left);
  document.getElementById('movein-rows').replaceChildren(...items.slice(0, shownRows).map((item) => row(item, files.length > 1)));
  status.replaceChildren(...(more > 0 ? [el('p', { class: 'notice' }, t('move_more', more))] : []),
    ...(applied ? [el('p', { class: 'notice', id: 'movein-done' }, el('a', { href: '/admin/tokens' }, t('move_see')))] : []));
  apply.hidden = applied || counts.taken + counts.changed === 0;
  report.hidden = false;
}

async function run(what, dryRun, button) {
  button.disabled = true;
  status.replaceChildren(el('p', { class: 'help' }, t('loading')));
  try {
    show(await send(what, dryRun));
    planned = dryRun ? what : undefined;
  } catch (error) {
    report.hidden = true;
    status.replaceChildren(el('p', { class: 'notice bad', id: 'movein-problem' }, error.message));
  } finally {
    button.disabled = false;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  run({ files: [...chosen.files], format: format.value }, true, plan);
});
apply.addEventListener('click', () => {
  if (planned) run(planned, false, apply);
});
