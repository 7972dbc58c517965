// Tests of the tokens that were chosen in their list: what each has found is shown as it comes.

import { complain, number, t } from './page.js';
import { testEach, verdictOf } from './tokentest.js';

const form = document.getElementById('tests-form');
const start = document.getElementById('tests-start');
const plan = document.getElementById('tests-plan');
const stop = document.getElementById('tests-stop');
const status = document.getElementById('tests-status');
const progress = document.getElementById('tests-progress');
const rows = new Map([...document.querySelectorAll('#tests-table [data-token]')].map((row) => [row.dataset.token, row]));
const cellOf = (id) => rows.get(id).querySelector('.result');
let tests;

function busy(now) {
  start.disabled = now;
  plan.disabled = now;
  stop.hidden = !now;
  progress.hidden = !now;
}

async function run(model) {
  const found = { works: 0, fails: 0 };
  for (const id of rows.keys()) cellOf(id).textContent = '–';
  progress.value = 0;
  const tell = () => {
    progress.value = found.works + found.fails;
    status.textContent = t('tests_so_far', number(progress.value), number(rows.size), number(found.works), number(found.fails));
  };
  tell();
  await testEach(rows.keys(), model, tests.signal, (id, result) => {
    found[result.works ? 'works' : 'fails'] += 1;
    cellOf(id).replaceChildren(...verdictOf(result));
    tell();
  });
  const left = rows.size - found.works - found.fails;
  status.textContent = t('tested', number(found.works), number(found.fails), number(left));
}

form?.addEventListener('submit', async (event) => {
  if (event.submitter !== start) return;
  event.preventDefault();
  tests = new AbortController();
  busy(true);
  stop.focus();
  try {
    await run(form.elements.model.value.trim());
  } catch (error) {
    complain(error);
  } finally {
    busy(false);
    start.focus();
  }
});

stop?.addEventListener('click', () => {
  tests.abort();
  stop.hidden = true;
});
