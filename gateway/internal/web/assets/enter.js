// Follows a login link: posts the secret that stands behind the address's #, and takes it out of
// the address. A page that the browser has only prepared waits until somebody looks at it.

const form = document.getElementById('enter');
const secret = location.hash.slice(1);

if (form && secret) {
  history.replaceState(null, '', location.pathname);
  form.elements.link.value = secret;
  const follow = () => form.requestSubmit();
  if (document.prerendering) document.addEventListener('prerenderingchange', follow, { once: true });
  else follow();
}
