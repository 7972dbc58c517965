// Tests of tokens: each is sent a small request that nobody else serves.

import { api, el, headers, number, refusal, Refused, t } from './page.js';

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

function costOf(result) {
  if (result.cost_usd == null) return t('test_unpriced');
  return result.cost_quality === 'reported' ? t('test_cost', result.cost_usd) : t('test_cost_about', result.cost_usd);
}

const address = '/admin/api/tokens/test';

/** Returns what a test has found; a small model of the upstream's is asked where none is said. */
export async function testToken(id, model) {
  try {
    const { results } = await api('POST', address, { ids: [id], ...(model && { model }) });
    return results[0];
  } catch (error) {
    if (error.status === 401) throw error;
    return { token_id: id, works: false, class: 'other', message: error.message };
  }
}

// lines yields what the lines of an answer say, as they come.
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (rest + value).split('\n');
    rest = whole.pop();
    yield* whole.filter(Boolean).map((line) => JSON.parse(line));
  }
}

/**
 * Tests tokens, some at a time, and shows what each test has found as it comes. They are one request,
 * so that they are one entry of the audit log; signal ends it.
 */
export async function testEach(ids, model, signal, show) {
  try {
    const response = await fetch(address, {
      method: 'POST',
      headers: headers({ 'Content-Type': 'application/json' }),
      body: JSON.stringify({ ids: [...ids], stream: true, ...(model && { model }) }),
      cache: 'no-store',
      signal,
    });
    if (!response.ok) throw refusal(response.status, await response.json().catch(() => undefined));
    for await (const result of lines(response)) show(result.token_id, result);
  } catch (error) {
    if (signal.aborted) return;
    throw error.status === undefined ? new Refused(0, t('network')) : error;
  }
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
