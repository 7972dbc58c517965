// Has charts tell their values: under the pointer, by the arrow keys and by touch. A step, or a
// span that is drawn over, leads to the requests behind it and to itself drawn larger. All that is
// told stands in the chart's table, which is there without scripts.

import { el, t } from './page.js';

class Plot {
  #figure;
  #area;
  #span = el('div', { class: 'plot-span', hidden: true });
  #told = el('div', { class: 'told', hidden: true, 'data-added': true });
  // The steps that are told of: from the one where it began to the one that it has come to.
  #began = -1;
  #at = -1;
  // What is told stays when the pointer goes.
  #stays = false;

  constructor(figure) {
    this.#figure = figure;
    const help = el('p', { class: 'unseen', id: `${figure.id}-keys`, 'data-added': true }, t('chart_keys'));
    this.#area = el('div', {
      class: 'plot', 'data-added': true, tabindex: '0', role: 'slider', 'aria-orientation': 'horizontal', 'aria-describedby': help.id,
      'aria-label': figure.querySelector('figcaption').textContent, 'aria-valuemin': 1, 'aria-valuemax': this.#rows().length, 'aria-valuenow': 1,
    }, this.#span);
    figure.append(this.#area, this.#told, help);
    this.#point();
    this.#area.addEventListener('keydown', (event) => this.#key(event));
    this.#area.addEventListener('focus', () => { if (this.#at < 0) this.#show(this.#rows().length - 1); });
    this.#told.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#area.focus();
    });
    figure.addEventListener('focusout', ({ relatedTarget }) => { if (!figure.contains(relatedTarget)) this.#hide(); });
    document.addEventListener('refreshed', () => { if (this.#at >= 0) this.#show(this.#at, this.#began); });
    this.#area.setAttribute('aria-valuetext', this.#sentence(0, 0));
  }

  #rows() { return this.#figure.querySelectorAll('.as-table tbody tr'); }

  #point() {
    const area = this.#area;
    const step = ({ clientX }) => {
      const { left, width } = area.getBoundingClientRect();
      const n = this.#rows().length;
      return Math.min(Math.max(Math.floor((clientX - left) / width * n), 0), n - 1);
    };
    area.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      area.setPointerCapture(event.pointerId);
      this.#stays = false;
      this.#show(step(event));
    });
    area.addEventListener('pointermove', (event) => {
      if (area.hasPointerCapture(event.pointerId)) this.#show(step(event), this.#began);
      else if (!this.#stays) this.#show(step(event));
    });
    area.addEventListener('pointerup', (event) => {
      if (!area.hasPointerCapture(event.pointerId)) return;
      this.#stays = true;
      this.#show(step(event), this.#began);
    });
    area.addEventListener('pointercancel', () => this.#hide());
    area.addEventListener('pointerleave', () => {
      if (!this.#stays && document.activeElement !== area) this.#hide();
    });
  }

  #key(event) {
    const last = this.#rows().length - 1;
    const to = { ArrowLeft: this.#at - 1, ArrowRight: this.#at + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.#stays = true;
      this.#show(Math.min(Math.max(to, 0), last), event.shiftKey ? this.#began : undefined);
    } else if (event.key === 'Enter') {
      this.#stays = true;
      this.#show(this.#at, this.#began);
      this.#told.querySelector('a')?.focus();
    } else if (event.key === 'Escape') {
      this.#hide();
    }
  }

  // Tells of the steps between two, in either order.
  #show(at, began = at) {
    const rows = this.#rows();
    if (rows.length === 0) return;
    this.#at = Math.min(at, rows.length - 1);
    this.#began = Math.min(began, rows.length - 1);
    const [first, last] = [this.#began, this.#at].sort((a, b) => a - b);
    const share = (n) => `${100 * n / rows.length}%`;
    this.#span.hidden = false;
    this.#span.style.left = share(first);
    this.#span.style.width = share(last - first + 1);
    this.#area.setAttribute('aria-valuemax', rows.length);
    this.#area.setAttribute('aria-valuenow', this.#at + 1);
    this.#area.setAttribute('aria-valuetext', this.#sentence(first, last));
    this.#told.replaceChildren(...this.#content(first, last));
    this.#told.hidden = false;
    this.#told.classList.toggle('stays', this.#stays);
    const middle = (first + last + 1) / 2;
    this.#told.classList.toggle('before', middle >= rows.length / 2);
    this.#told.style.setProperty('--at', share(middle));
  }

  #hide() {
    this.#at = this.#began = -1;
    this.#stays = false;
    this.#span.hidden = true;
    this.#told.hidden = true;
  }

  // The names and values of a step.
  #values(row) {
    const names = [...this.#figure.querySelectorAll('.as-table thead th.number')].map((th) => th.textContent);
    return [...row.querySelectorAll('td')].map((td, i) => [names[i], td.textContent]);
  }

  #time(first, last) {
    const [from, to] = [first, last].map((i) => this.#rows()[i].querySelector('th').textContent);
    return first === last ? from : t('chart_span', from, to);
  }

  #sentence(first, last) {
    if (!this.#rows()[first]) return '';
    const values = first === last ? this.#values(this.#rows()[first]).map(([name, value]) => `${name} ${value}`) : [];
    return [this.#time(first, last), ...values].join(', ');
  }

  #content(first, last) {
    const content = [el('p', { class: 'told-at' }, this.#time(first, last))];
    if (first === last) {
      const kinds = [...this.#figure.querySelectorAll('.legend li')].map((li) => li.className);
      content.push(el('ul', { class: 'told-values' }, ...this.#values(this.#rows()[first]).map(([name, value], i) =>
        el('li', { class: kinds[i] ?? '' }, el('span', {}, name), el('strong', {}, value)))));
    }
    const leads = this.#leads(first, last);
    if (this.#stays && leads.length > 0) content.push(el('p', { class: 'told-leads' }, ...leads));
    return content;
  }

  // The links to the requests of the steps, and to the steps drawn larger.
  #leads(first, last) {
    const [begin, end] = [first, last].map((i) => this.#rows()[i].querySelector('th a')?.href);
    if (!begin || !end) return [];
    const from = new URL(begin).searchParams.get('from');
    const to = new URL(end).searchParams.get('to');
    const between = (address) => {
      const url = new URL(address, location.href);
      url.searchParams.set('from', from);
      url.searchParams.set('to', to);
      return url.href;
    };
    const leads = [el('a', { href: between(begin) }, t('chart_requests'))];
    if (last > first && this.#figure.dataset.zoom) leads.push(el('a', { href: between(this.#figure.dataset.zoom) }, t('chart_zoom')));
    return leads;
  }
}

for (const figure of document.querySelectorAll('figure.chart')) new Plot(figure);
