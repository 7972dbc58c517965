// Has charts tell their values: under the pointer, by the arrow keys and by touch. A step, or a
// span that is drawn over, leads to the requests behind it and to itself drawn larger. A chart of
// marks, whose rows have their place (data-x, data-y, in percent), tells of one mark at a time. All
// that is told stands in the chart's table, which is there without scripts. What one chart tells of
// is marked in all others with the same steps. An entry of the legend leaves its series out, or has
// it drawn again, as the address then says.

import { redraw } from './live.js';
import { complain, el, t } from './page.js';

// The plot of each chart, by its figure.
const plots = new Map();

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
    const keys = this.#marked() ? t('chart_mark_keys') : t('chart_keys');
    const help = el('p', { class: 'unseen', id: `${figure.id}-keys`, 'data-added': true }, keys);
    this.#area = el('div', {
      class: 'plot', 'data-added': true, tabindex: '0', role: 'slider', 'aria-orientation': 'horizontal', 'aria-describedby': help.id,
      'aria-label': figure.querySelector('figcaption').textContent, 'aria-valuemin': 1, 'aria-valuemax': this.#rows().length, 'aria-valuenow': 1,
    }, this.#span);
    figure.append(this.#area, this.#told, help);
    this.#point();
    this.#area.addEventListener('keydown', (event) => this.#key(event));
    this.#area.addEventListener('focus', () => { if (this.#at < 0) this.#show(this.#marked() ? 0 : this.#rows().length - 1); });
    this.#told.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#area.focus();
    });
    figure.addEventListener('focusout', ({ relatedTarget }) => { if (!figure.contains(relatedTarget)) this.#hide(); });
    document.addEventListener('refreshed', () => { if (this.#at >= 0) this.#show(this.#at, this.#began); });
    this.#area.setAttribute('aria-valuetext', this.#sentence(0, 0));
  }

  // The first and the last step, by which charts with the same ones are known.
  #steps() {
    const rows = this.#rows();
    const began = (row) => row?.querySelector('time')?.dateTime;
    return this.#marked() || !began(rows[0]) ? undefined : `${rows.length} ${began(rows[0])} ${began(rows[rows.length - 1])}`;
  }

  // The other charts with the same steps.
  #peers() {
    const steps = this.#steps();
    return [...plots.values()].filter((plot) => plot !== this && steps !== undefined && plot.#steps() === steps);
  }

  // Marks steps that another chart tells of; without any, none.
  #echo(first, last) {
    if (this.#at >= 0) return; // it has its own
    this.#span.hidden = first === undefined;
    if (first !== undefined) this.#place(first, last, this.#rows().length);
  }

  #rows() { return this.#figure.querySelectorAll('.as-table tbody tr'); }

  // Whether the rows are marks, which have their place.
  #marked() { return this.#rows()[0]?.dataset.x !== undefined; }

  // The mark that is nearest to a point of the area.
  #nearest(x, y, width, height) {
    const far = [...this.#rows()].map(({ dataset }) => Math.hypot(dataset.x / 100 * width - x, dataset.y / 100 * height - y));
    return far.indexOf(Math.min(...far));
  }

  #point() {
    const area = this.#area;
    const step = ({ clientX, clientY }) => {
      const { left, top, width, height } = area.getBoundingClientRect();
      const n = this.#rows().length;
      if (this.#marked()) return this.#nearest(clientX - left, clientY - top, width, height);
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
    this.#began = this.#marked() ? this.#at : Math.min(began, rows.length - 1);
    const [first, last] = [this.#began, this.#at].sort((a, b) => a - b);
    this.#span.hidden = false;
    if (this.#marked()) this.#surround(rows[first].dataset);
    else this.#cover(first, last, rows.length);
    this.#area.setAttribute('aria-valuemax', rows.length);
    this.#area.setAttribute('aria-valuenow', this.#at + 1);
    this.#area.setAttribute('aria-valuetext', this.#sentence(first, last));
    this.#tell(...this.#content(first, last));
    this.#told.hidden = false;
    this.#told.classList.toggle('stays', this.#stays);
  }

  // Shows what is told. Whoever has come to a link in it is not taken away from that by a refresh.
  #tell(...content) {
    const told = el('div', {}, ...content);
    if (told.innerHTML === this.#told.innerHTML) return;
    const reached = [...this.#told.querySelectorAll('a')].indexOf(document.activeElement);
    if (reached >= 0) this.#area.focus({ preventScroll: true }); // else the focus leaves the chart meanwhile
    this.#told.replaceChildren(...told.childNodes);
    this.#told.querySelectorAll('a')[reached]?.focus({ preventScroll: true });
  }

  // Marks the steps, and puts what is told beside them.
  #cover(first, last, n) {
    this.#place(first, last, n);
    this.#beside(50 * (first + last + 1) / n);
    for (const plot of this.#peers()) plot.#echo(first, last);
  }

  #place(first, last, n) {
    this.#span.style.left = `${100 * first / n}%`;
    this.#span.style.width = `${100 * (last - first + 1) / n}%`;
  }

  // Marks the place of a mark, and puts what is told beside it.
  #surround({ x, y }) {
    this.#span.classList.add('around');
    this.#span.style.left = `${x}%`;
    this.#span.style.top = `${y}%`;
    this.#told.style.setProperty('--down', `${y}%`);
    this.#beside(Number(x));
  }

  #beside(percent) {
    this.#told.classList.toggle('before', percent >= 50);
    this.#told.style.setProperty('--at', `${percent}%`);
  }

  #hide() {
    if (this.#at >= 0) for (const plot of this.#peers()) plot.#echo();
    this.#at = this.#began = -1;
    this.#stays = false;
    this.#span.hidden = true;
    this.#told.hidden = true;
  }

  // The names and values of a step.
  #values(row) {
    const names = [...this.#figure.querySelectorAll('.as-table thead th + th')].map((th) => th.textContent);
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
      const kinds = [...this.#figure.querySelectorAll('.legend li:not(.off)')].map((li) => li.className);
      content.push(el('ul', { class: 'told-values' }, ...this.#values(this.#rows()[first]).map(([name, value], i) =>
        el('li', { class: kinds[i] ?? '' }, el('span', {}, name), el('strong', {}, value)))));
    }
    const leads = this.#leads(first, last);
    if (this.#stays && leads.length > 0) content.push(el('p', { class: 'told-leads' }, ...leads));
    return content;
  }

  // The links to the requests of the steps, and to the steps drawn larger; of a mark, to its account.
  #leads(first, last) {
    if (this.#marked()) return [...this.#rows()[first].querySelectorAll('td a')].map(({ href }) => el('a', { href }, t('chart_account')));
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

// A refreshed page may have charts that were not there before.
function plot() {
  for (const figure of document.querySelectorAll('figure.chart')) {
    if (!plots.has(figure)) plots.set(figure, new Plot(figure));
  }
}

plot();
document.addEventListener('refreshed', plot);

// The entries of legends are links; as buttons they also hear the space key.
const entryOf = (event) => event.target.closest('.legend [role="button"]');

document.addEventListener('click', (event) => {
  const entry = entryOf(event);
  if (!entry || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(history.state, '', entry.href);
  redraw().catch(complain);
});

document.addEventListener('keydown', (event) => {
  if (event.key !== ' ' || !entryOf(event)) return;
  event.preventDefault();
  entryOf(event).click();
});
