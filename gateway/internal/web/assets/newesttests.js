// Tests of tokens that were just added.

import { api, el, number, t } from './page.js';
import { testEach, verdictOf } from './tokentest.js';

// The most that are tested at a time.
const most = 100;

/** Tests the newest tokens and adds a verdict on each to the report, until signal ends it. */
export async function testNewest(count, report, signal) {
  const { tokens } = await api('GET', `/admin/api/tokens?order=newest&limit=${Math.min(count, most)}`);
  const said = el('p', { class: 'notice', id: 'add-tested' }, t('testing'));
  const verdicts = new Map(tokens.toReversed() // as they were pasted
    .map((token) => [token.id, el('li', {}, el('strong', {}, token.alias || token.token), el('p', {}, t('testing')))]));
  const list = el('ol', { id: 'add-verdicts', class: 'verdicts' }, ...verdicts.values());
  report.append(said, list);
  await testEach(verdicts.keys(), undefined, signal, (id, result) => {
    const verdict = verdicts.get(id);
    verdict.replaceChildren(verdict.firstChild, ...verdictOf(result));
  });
  const works = list.querySelectorAll('.ready').length;
  said.textContent = t('tested', number(works), number(tokens.length - works), number(count - tokens.length));
  if (works < tokens.length) said.classList.add('warn');
}
