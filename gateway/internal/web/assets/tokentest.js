// A test of one token: a small request that nobody else serves, and what the log says of it.

import { api, el, headers, number, refusal, Refused, t } from './page.js';

const question = 'Reply with the word OK.';
// How long an answer may take, in ms.
const patience = 90000;
// How often the log is looked at for the entry, which comes there a moment later, and the pause
// between two looks, in ms.
const looks = 20;
const pause = 500;

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

async function ask(url, upstream, id, model) {
  const began = performance.now();
  let response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: headers({ 'Content-Type': 'application/json', 'X-Carousel-Token': `${upstream}/${id}` }),
      body: JSON.stringify({ model, messages: [{ role: 'user', content: question }] }),
      signal: AbortSignal.timeout(patience),
    });
  } catch {
    throw new Refused(0, t('network'));
  }
  const request = response.headers.get('X-Request-Id');
  const value = await response.json().catch(() => null);
  if (!response.ok) throw Object.assign(refusal(response.status, value), { request });
  return { request, usage: value?.usage, took: performance.now() - began };
}

// entryOf is the log's entry of a request; undefined where it does not come in time.
async function entryOf(request) {
  for (let look = 0; request && look < looks; look += 1) {
    try {
      return await api('GET', `/admin/api/logs/${encodeURIComponent(request)}`);
    } catch (error) {
      if (error.status !== 404) return undefined;
    }
    await new Promise((resolve) => { setTimeout(resolve, pause); });
  }
  return undefined;
}

function costOf(entry) {
  if (entry?.cost_usd == null) return t('test_unpriced');
  return entry.cost_quality === 'reported' ? t('test_cost', entry.cost_usd) : t('test_cost_about', entry.cost_usd);
}

const link = (request) => (request ? [el('a', { href: `/admin/logs/${encodeURIComponent(request)}` }, t('log_entry'))] : []);

/** Sends the request and returns what there is to show of it: also what it cost, unless it is one of many. */
export async function testToken(url, upstream, id, model, isOneOfMany = false) {
  try {
    const { request, usage, took } = await ask(url, upstream, id, model);
    const cost = isOneOfMany ? undefined : costOf(await entryOf(request));
    const facts = [seconds(took), model, usage && t('usage', number(usage.prompt_tokens), number(usage.completion_tokens)), cost];
    return [el('p', {}, el('span', { class: 'pill ready' }, t('test_works')), ` ${facts.filter(Boolean).join(' · ')} `, ...link(request))];
  } catch (error) {
    const code = error.code ? ` ${error.code} · HTTP ${error.status} ` : ' ';
    return [el('p', {}, el('span', { class: 'pill expired' }, t('test_fails')), code, ...link(error.request)), el('p', { class: 'bad-text' }, error.message)];
  }
}
