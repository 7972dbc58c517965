// The times of a filter: the server takes UTC, the fields show the reader's time.

// A time of the reader's zone as a field takes it, to the second.
const localTime = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);

/**
 * Shows the times of a form in the reader's zone, and sends them in UTC, without what is empty. A time
 * that nobody has changed is sent as it was.
 */
export function filterTimes(form) {
  const fields = form.querySelectorAll('input[data-utc]');
  const shown = new Map();
  for (const field of fields) {
    const { utc } = field.dataset;
    if (!utc) continue;
    field.value = localTime(new Date(/(Z|[+-]\d\d:\d\d)$/.test(utc) ? utc : `${utc}Z`));
    shown.set(field, field.value); // as the field writes it
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value) query.set(name, value);
    }
    for (const field of fields) {
      const { name, value, dataset: { utc } } = field;
      if (value) query.set(name, value === shown.get(field) ? utc : new Date(value).toISOString().replace(/\.\d+Z$/, 'Z'));
    }
    location.assign(`${new URL(form.action).pathname}?${query}`);
  });
}
