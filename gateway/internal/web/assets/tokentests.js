// Tests of tokens that were just added: each is sent one small request, a few at once.

import { api, el, number, t } from './page.js';
import { testToken } from './tokentest.js';

const atOnce = 4;
// The most that are tested at a time.
const most = 100;
// How often a new upstream's models are looked for, and the pause between two looks, in ms.
const looks = 30;
const pause = 500;

// What does not chat, and what costs little, by their names.
const isOther = /embed|whisper|tts|audio|realtime|transcri|dall-e|image|video|moderat|rerank|babbage|davinci/i;
const isSmall = /mini|nano|flash|lite|haiku|small|[^0-9][1-9]b\b/i;

/** Returns a model that an upstream serves, a small one where there is one; undefined where none gets known in time. */
async function modelOf(upstream) {
  for (let look = 0; look < looks; look += 1) {
    const { models } = await api('GET', '/admin/api/models');
    const names = models.filter((each) => each.upstreams.includes(upstream)).map((each) => each.model).filter((name) => !isOther.test(name));
    if (names.length > 0) return names.find((name) => isSmall.test(name)) ?? names[0];
    await new Promise((resolve) => { setTimeout(resolve, pause); });
  }
  return undefined;
}

/** Tests the newest tokens and adds a verdict on each to the report, as long as it is wanted. */
export async function testNewest(url, count, report, isWanted) {
  const { tokens } = await api('GET', `/admin/api/tokens?order=newest&limit=${Math.min(count, most)}`);
  const models = new Map(); // by upstream, as promises
  const said = el('p', { class: 'notice', id: 'add-tested' }, t('testing'));
  const list = el('ol', { id: 'add-verdicts', class: 'verdicts' });
  report.append(said, list);
  const left = tokens.toReversed(); // as they were pasted
  const work = async () => {
    for (let token = left.shift(); token && isWanted(); token = left.shift()) {
      const verdict = el('li', {}, el('strong', {}, token.alias || token.token), el('p', {}, t('testing')));
      list.append(verdict);
      if (!models.has(token.upstream)) models.set(token.upstream, modelOf(token.upstream));
      const model = await models.get(token.upstream);
      const found = model ? await testToken(url, token.upstream, token.id, model, true) : [el('p', { class: 'bad-text' }, t('test_no_model', token.upstream))];
      verdict.replaceChildren(verdict.firstChild, ...found);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const works = list.querySelectorAll('.ready').length;
  said.textContent = t('tested', number(works), number(tokens.length - works), number(count - tokens.length));
  if (works < tokens.length) said.classList.add('warn');
}
