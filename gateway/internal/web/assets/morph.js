// Changes what a page shows into what it is to show. What stays is not touched: neither are focus,
// selection, ticked boxes and opened details in it.

/** Makes the node like another one, with as few changes as it takes. */
export function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (from.nodeName !== to.nodeName || from.nodeType !== to.nodeType) {
    from.replaceWith(document.importNode(to, true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    from.nodeValue = to.nodeValue;
    return;
  }
  attributes(from, to);
  morphChildren(from, to);
}

function attributes(from, to) {
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  }
}

const keyOf = (node) => node.dataset?.key;

// What a script has added to the end of an element stays: it has data-added.
const added = (node) => node.dataset !== undefined && 'added' in node.dataset;

/**
 * Makes what is in the node like what is in another one. Children that have a data-key are matched by
 * it, the others by their place.
 */
export function morphChildren(from, to) {
  const keyed = new Map([...from.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const known = keyOf(wanted) ? keyed.get(keyOf(wanted)) : at && !keyOf(at) && !added(at) ? at : null;
    if (!known) {
      from.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    if (known !== at) from.insertBefore(known, at);
    at = known.nextSibling;
    morph(known, wanted);
  }
  while (at) {
    const next = at.nextSibling;
    if (!added(at)) at.remove();
    at = next;
  }
}
