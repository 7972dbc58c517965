/*
 * For pages that an admin serves through /config. Functions, all global:
 *
 *   saveAuthToken(token)        keeps the admin token for this tab, for at most 24 hours
 *   getAuthToken()              the kept token, or null
 *   clearAuthToken()            forgets it
 *   initializeTokenHandling(id) fills the input with the kept token, and keeps what is typed into it
 *   makeAuthenticatedRequest(url, options)
 *                               fetch with the token, POST unless options.method says otherwise; an object as
 *                               options.body is sent as JSON; resolves to the answer's JSON, or to null after
 *                               it has shown what went wrong
 *   showMessage(id, text, isError)   writes into an element
 *   showGlobalMessage(text, isError) showMessage for the element with the id `message`
 *   parseBooleanFromString(text)     true, false, or null for anything else
 *   parseStringFromBoolean(value, otherwise)
 *                               'true', 'false', or otherwise
 *   parsePrompt(prompt)         a log entry's prompt as [{role, content}]
 *   escapeHtml(text)            text that is safe inside HTML
 *
 * The token is in sessionStorage: it ends with the tab, and no other site can read it.
 */
'use strict';

const tokenName = 'authToken';
const tokenExpiryName = 'authTokenExpiry';
const tokenLifetime = 24 * 60 * 60 * 1000;

function saveAuthToken(token) {
  sessionStorage.setItem(tokenName, token);
  sessionStorage.setItem(tokenExpiryName, String(Date.now() + tokenLifetime));
}

function getAuthToken() {
  const expiry = Number(sessionStorage.getItem(tokenExpiryName));
  if (!expiry || Date.now() > expiry) {
    clearAuthToken();
    return null;
  }
  return sessionStorage.getItem(tokenName);
}

function clearAuthToken() {
  sessionStorage.removeItem(tokenName);
  sessionStorage.removeItem(tokenExpiryName);
}

function initializeTokenHandling(id) {
  const begin = () => {
    const input = document.getElementById(id);
    if (!input) return;
    input.value = getAuthToken() || '';
    input.addEventListener('change', () => (input.value ? saveAuthToken(input.value) : clearAuthToken()));
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
  else begin();
}

async function makeAuthenticatedRequest(url, options = {}) {
  const input = document.getElementById('authToken');
  const token = (input && input.value) || getAuthToken();
  if (!token) {
    showGlobalMessage('The admin token is missing.', true);
    return null;
  }
  const body = options.body && typeof options.body === 'object' ? JSON.stringify(options.body) : options.body;
  try {
    const response = await fetch(url, {
      method: 'POST', ...options, body,
      headers: { 'Content-Type': 'application/json', ...options.headers, Authorization: 'Bearer ' + token },
    });
    const answer = await response.json();
    if (!response.ok) throw new Error((answer.error && answer.error.message) || 'HTTP ' + response.status);
    return answer;
  } catch (failure) {
    showGlobalMessage(failure.message, true);
    return null;
  }
}

function showMessage(id, text, isError = false) {
  const element = document.getElementById(id);
  if (!element) return;
  element.textContent = text;
  element.classList.add('message');
  element.classList.toggle('error', isError);
  element.classList.toggle('success', !isError);
  element.setAttribute('role', isError ? 'alert' : 'status');
}

function showGlobalMessage(text, isError = false) {
  showMessage('message', text, isError);
}

function parseBooleanFromString(text) {
  const known = { true: true, false: false };
  return Object.hasOwn(known, text) ? known[text] : null;
}

function parseStringFromBoolean(value, otherwise = null) {
  return typeof value === 'boolean' ? String(value) : otherwise;
}

function parsePrompt(prompt) {
  const messages = [];
  const marker = /<\|BEGIN_(SYSTEM|USER|ASSISTANT)\|>/;
  const pieces = String(prompt || '').split(marker);
  for (let i = 1; i < pieces.length; i += 2) {
    const content = pieces[i + 1].replace(/<\|END_[A-Z]+\|>/g, '').trim();
    if (content) messages.push({ role: pieces[i].toLowerCase(), content });
  }
  return messages;
}

function escapeHtml(text) {
  const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (character) => escapes[character]);
}
