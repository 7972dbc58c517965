// Dragging over the bars of the histogram chooses their time. A click on one is a link.

const figure = document.getElementById('log-histogram');
const picture = figure?.querySelector('svg');
const bars = [...(picture?.querySelectorAll('a') ?? [])];
const brush = picture?.querySelector('.brush');
let first; // the number of the bar where the drag began
let last;

// The number of the bar below the pointer.
function at(event) {
  const { left, width } = picture.getBoundingClientRect();
  return Math.min(Math.max(Math.floor((event.clientX - left) / width * bars.length), 0), bars.length - 1);
}

function draw() {
  const unit = 100 / bars.length;
  brush.setAttribute('x', Math.min(first, last) * unit);
  brush.setAttribute('width', first === last ? 0 : (Math.abs(last - first) + 1) * unit);
}

function choose() {
  const end = bars[Math.max(first, last) + 1]?.dataset.from ?? document.getElementById('histogram-end').dateTime;
  const query = new URLSearchParams(location.search);
  query.delete('cursor');
  query.set('from', bars[Math.min(first, last)].dataset.from);
  query.set('to', end);
  location.search = query;
}

picture?.addEventListener('pointerdown', (event) => {
  if (event.button !== 0 || event.pointerType === 'touch') return;
  event.preventDefault(); // of dragging a link away
  first = last = at(event);
});

document.addEventListener('pointermove', (event) => {
  if (first === undefined) return;
  last = at(event);
  draw();
});

document.addEventListener('pointerup', () => {
  if (first === undefined) return;
  if (first !== last) choose();
  first = undefined;
});

for (const forget of ['pointercancel', 'blur']) {
  window.addEventListener(forget, () => {
    if (first === undefined) return;
    last = first;
    draw();
    first = undefined;
  });
}

// The link that a drag ends on is not followed, and none is dragged away.
picture?.addEventListener('click', (event) => {
  if (brush.getAttribute('width') !== '0') event.preventDefault();
});
picture?.addEventListener('dragstart', (event) => event.preventDefault());
