// HTML and SVG elements from words. Text stays text: nothing that a delta holds is ever read as HTML.

/** An element with attributes and children; `on…` attributes are listeners, and null children are left out. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/** Plain words, in which `backticks` mark names from the data. */
export function words(text) {
  return text.split('`').map((part, index) => (index % 2 === 1 ? h('code', null, part) : part));
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}
