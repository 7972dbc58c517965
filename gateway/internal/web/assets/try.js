// A conversation with a model, the way any client has it: through
// /v1/chat/completions.

import { el, headers, number, refusal, Refused, t } from './page.js';

const form = document.getElementById('try-form');
const text = document.getElementById('try-text');
const model = document.getElementById('try-model');
const stream = document.getElementById('try-stream');
const send = document.getElementById('try-send');
const stop = document.getElementById('try-stop');
const list = document.getElementById('try-messages');
// What the page begins with is a request that is repeated.
let history = [...list.querySelectorAll('[data-role]')].map(({ dataset, textContent }) => ({ role: dataset.role, content: textContent }));
let running;

function turn(role, content) {
  document.getElementById('try-empty')?.remove();
  const body = el('div', {}, content);
  const box = el('div', { class: `turn ${role}` }, body);
  list.append(box);
  box.scrollIntoView({ block: 'nearest' });
  return { box, body };
}

/** Yields the data of a stream's events, and returns whether [DONE] came. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n');
      if (data === '[DONE]') return true;
      if (data) yield JSON.parse(data);
    }
  }
}

async function ask(answer, started, signal) {
  const response = await fetch(form.dataset.url, {
    method: 'POST',
    headers: headers({ 'Content-Type': 'application/json' }),
    body: JSON.stringify({
      model: model.value, messages: history, stream: stream.checked,
      ...(stream.checked && { stream_options: { include_usage: true } }),
    }),
    signal,
  });
  const result = { content: '', id: response.headers.get('X-Request-Id'), whole: true };
  if (!response.ok) throw Object.assign(refusal(response.status, await response.json().catch(() => null)), result);
  if (!stream.checked) {
    const value = await response.json();
    result.content = value.choices?.[0]?.message?.content ?? '';
    result.usage = value.usage;
    answer.body.textContent = result.content;
    return result;
  }
  await readStream(response, answer, result, started);
  return result;
}

async function readStream(response, answer, result, started) {
  const source = events(response);
  for (;;) {
    const { value, done } = await source.next();
    if (done) {
      result.whole = value;
      return;
    }
    if (value.error) throw Object.assign(new Refused(200, value.error.message, value.error.code), result);
    const piece = value.choices?.[0]?.delta?.content ?? '';
    if (piece && !result.first) result.first = performance.now() - started;
    result.content += piece;
    answer.body.append(piece);
    result.usage = value.usage ?? result.usage;
  }
}

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

/** Writes the tokens of an answer, and what part of them a cache had or was thinking. */
function counts(usage) {
  const cached = usage.prompt_tokens_details?.cached_tokens;
  const reasoning = usage.completion_tokens_details?.reasoning_tokens;
  return [
    t('usage', number(usage.prompt_tokens), number(usage.completion_tokens)),
    cached && t('usage_cached', number(cached)),
    reasoning && t('usage_reasoning', number(reasoning)),
  ].filter(Boolean).join(' · ');
}

function footnote(answer, result, started) {
  const total = seconds(performance.now() - started);
  const notes = [el('span', {}, result.first ? t('timing', total, seconds(result.first)) : total)];
  if (result.usage) notes.push(el('span', {}, counts(result.usage)));
  if (result.id) notes.push(el('a', { href: `/admin/logs/${encodeURIComponent(result.id)}` }, t('log_entry')));
  answer.box.append(el('p', { class: 'under' }, ...notes));
}

function busy(now) {
  send.hidden = now;
  stop.hidden = !now;
}

function failed(answer, error) {
  const stopped = error.name === 'AbortError';
  const message = stopped ? t('stopped') : error instanceof Refused ? error.message : t('network');
  answer.box.classList.toggle('failed', !stopped);
  answer.box.append(el('p', {}, message));
  if (error.code) answer.box.append(el('p', { class: 'under' }, el('code', {}, `${error.code} · HTTP ${error.status}`)));
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (running || !text.value.trim()) return;
  history.push({ role: 'user', content: text.value });
  turn('user', text.value);
  text.value = '';
  const answer = turn('assistant', '');
  answer.box.classList.add('waiting');
  running = new AbortController();
  busy(true);
  const started = performance.now();
  let result = {};
  try {
    result = await ask(answer, started, running.signal);
    history.push({ role: 'assistant', content: result.content });
    if (!result.whole) answer.box.append(el('p', { class: 'warn-text' }, t('cut_short')));
    else if (!result.content) answer.box.append(el('p', { class: 'faint' }, t('no_answer')));
  } catch (error) {
    result = error.id ? error : result;
    if (answer.body.textContent) history.push({ role: 'assistant', content: answer.body.textContent });
    else history.pop();
    failed(answer, error);
  }
  answer.box.classList.remove('waiting');
  footnote(answer, result, started);
  answer.box.scrollIntoView({ block: 'nearest' });
  running = undefined;
  busy(false);
  text.focus();
});

stop.addEventListener('click', () => running?.abort());

model.addEventListener('change', () => {
  document.getElementById('try-why').href = `/admin/why?model=${encodeURIComponent(model.value)}`;
});

text.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

document.getElementById('try-clear').addEventListener('click', () => {
  running?.abort();
  history = [];
  list.replaceChildren();
  text.focus();
});
