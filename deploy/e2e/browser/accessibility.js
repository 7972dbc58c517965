// Answers what keeps people from using the page: a list of sentences.
(() => {
  const problems = [];
  const visible = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && e.getClientRects().length > 0;
  const all = (selector) => Array.from(document.querySelectorAll(selector)).filter(visible);
  const name = (e) => {
    const copy = e.outerHTML;
    return copy.slice(0, copy.indexOf(">") + 1).slice(0, 160);
  };

  if (!document.documentElement.lang) problems.push("the document names no language");
  if (!document.title.trim()) problems.push("the document has no title");
  if (all("main").length !== 1) problems.push(`${all("main").length} main landmarks, want one`);
  if (all("h1").length !== 1) problems.push(`${all("h1").length} h1 headings, want one`);
  let last = 0;
  for (const heading of all("h1,h2,h3,h4,h5,h6")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) problems.push(`heading level ${level} follows ${last}: ${heading.innerText}`);
    last = level;
  }

  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) {
    if (ids.has(e.id)) problems.push(`two elements have the id ${e.id}`);
    ids.add(e.id);
  }

  // Every control has a name that can be spoken.
  const labelled = (e) => {
    const by = e.getAttribute("aria-labelledby");
    if (by) return by.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    if (e.getAttribute("aria-label")) return e.getAttribute("aria-label");
    if (e.labels?.length) return Array.from(e.labels, (l) => l.textContent).join(" ");
    if (e.matches("button,a,summary,[role=button]")) return e.textContent + (e.querySelector("img")?.alt ?? "") + (e.querySelector("svg title")?.textContent ?? "");
    return e.title ?? "";
  };
  for (const e of all("input:not([type=hidden]),select,textarea,button,a[href],summary,[role=button]")) {
    if (!labelled(e).trim()) problems.push(`no name: ${name(e)}`);
  }
  for (const e of all("img")) if (!e.hasAttribute("alt")) problems.push(`no alt: ${name(e)}`);
  for (const e of all("svg")) {
    if (e.getAttribute("aria-hidden") !== "true" && !e.querySelector("title") && !e.getAttribute("aria-label")) problems.push(`a picture without a title: ${name(e)}`);
  }
  for (const e of all("table")) {
    for (const head of e.querySelectorAll("th")) if (!head.scope) problems.push(`a table head without scope: ${head.innerText}`);
    if (!e.querySelector("th")) problems.push(`a table without heads: ${name(e)}`);
  }
  for (const e of document.querySelectorAll("[aria-controls],[aria-describedby],[aria-labelledby]")) {
    for (const attribute of ["aria-controls", "aria-describedby", "aria-labelledby"]) {
      for (const id of (e.getAttribute(attribute) ?? "").split(/\s+/).filter(Boolean)) {
        if (!document.getElementById(id)) problems.push(`${attribute} names ${id}, which is not there: ${name(e)}`);
      }
    }
  }
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) problems.push(`a tabindex above 0: ${name(e)}`);

  // Contrast of text with what is behind it: 4.5, of large text 3.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const darkCanvas = matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const background = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), darkCanvas ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => {
      const s = c / 255;
      return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(e) || !visible(e) || e.closest("script,style,svg,[disabled],[aria-disabled=true]")) continue;
    seen.add(e);
    const style = getComputedStyle(e);
    const behind = background(e);
    const [one, two] = [luminance(over(rgba(style.color), behind)), luminance(behind)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${JSON.stringify(walker.currentNode.textContent.trim().slice(0, 40))} in ${name(e)}`);
  }

  // On a narrow window only a container scrolls sideways, never the page.
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    const wide = all("body *").filter((e) => e.getBoundingClientRect().right > width + 1).slice(0, 3).map(name);
    problems.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${width}: ${wide.join(", ")}`);
  }
  return problems;
})();
