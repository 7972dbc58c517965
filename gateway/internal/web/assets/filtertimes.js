// The times of a filter: the server takes UTC, the fields show the reader's time.

// A time of the reader's zone as a field takes it, to the minute.
const localTime = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);

/** Shows the times of a form in the reader's zone, and sends them in UTC, without what is empty. */
export function filterTimes(form) {
  const fields = form.querySelectorAll('input[data-utc]');
  for (const field of fields) {
    const { utc } = field.dataset;
    if (utc) field.value = localTime(new Date(utc.endsWith('Z') || utc.includes('+') ? utc : `${utc}Z`));
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value) query.set(name, value);
    }
    for (const { name, value } of fields) {
      if (value) query.set(name, new Date(value).toISOString().replace(/\.\d+Z$/, 'Z'));
    }
    location.assign(`${new URL(form.action).pathname}?${query}`);
  });
}
