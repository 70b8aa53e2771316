// Build and change the page with as few touches as there are changes.

/** Make an element: attributes, `on` for listeners, then children, which are elements or texts. */
export function element(tag, { on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name, isSet) {
  if (node.classList.contains(name) !== isSet) node.classList.toggle(name, isSet);
}

/** Make the container's children be those of the rows, in order: known ones are updated in place, so that focus stays. */
export function keyed(container, rows, keyOf, make, update = () => {}) {
  const wanted = new Map(rows.map((row) => [String(keyOf(row)), row]));
  const known = new Map([...container.children].map((child) => [child.dataset.key, child]));
  // First, so that none has to be moved past them: what is moved loses the focus.
  for (const [key, child] of known) if (!wanted.has(key)) child.remove();
  let next = container.firstElementChild;
  for (const [key, row] of wanted) {
    let child = known.get(key);
    if (child === undefined) {
      child = make(row);
      child.dataset.key = key;
    }
    update(child, row);
    if (child === next) next = next.nextElementSibling;
    else container.insertBefore(child, next);
  }
}
