// Tests of tokens: each is sent a small request that nobody else serves.

import { api, el, number, t } from './page.js';

// How many are tested at a time.
const atOnce = 4;

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

function costOf(result) {
  if (result.cost_usd == null) return t('test_unpriced');
  return result.cost_quality === 'reported' ? t('test_cost', result.cost_usd) : t('test_cost_about', result.cost_usd);
}

/** Returns what a test has found; a small model of the upstream's is asked where none is said. */
export async function testToken(id, model) {
  try {
    const { results } = await api('POST', '/admin/api/tokens/test', { ids: [id], ...(model && { model }) });
    return results[0];
  } catch (error) {
    if (error.status === 401) throw error;
    return { token_id: id, works: false, class: 'other', message: error.message };
  }
}

/** Tests tokens, some at a time, as long as that is wanted, and shows what each test has found. */
export async function testEach(ids, model, isWanted, show) {
  const left = [...ids];
  const work = async () => {
    for (let id = left.shift(); id && isWanted(); id = left.shift()) show(id, await testToken(id, model));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** Writes what a test has found. */
export function verdictOf(result) {
  const link = result.request_id ? [el('a', { href: `/admin/logs/${encodeURIComponent(result.request_id)}` }, t('log_entry'))] : [];
  if (!result.works) {
    return [
      el('p', {}, el('span', { class: 'pill expired' }, t('test_fails')), ' ', el('strong', {}, t(`class.${result.class}`)), ' ', ...link),
      el('p', { class: 'bad-text' }, result.message),
      el('p', { class: 'help' }, t(`test_advice.${result.class}`)),
    ];
  }
  const used = result.prompt_tokens + result.completion_tokens > 0 && t('usage', number(result.prompt_tokens), number(result.completion_tokens));
  const facts = [seconds(result.total_ms), result.model, used, costOf(result)];
  return [el('p', {}, el('span', { class: 'pill ready' }, t('test_works')), ` ${facts.filter(Boolean).join(' · ')} `, ...link)];
}
