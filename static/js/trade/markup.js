// Find the parts of the page that the server has drawn, and make more rows like them.

export const byId = (id) => document.getElementById(id);

export const part = (root, name) => root.querySelector(`[data-field="${name}"]`);

/** A row like those that the server draws, empty. */
export function rowMaker(templateId) {
  const row = byId(templateId).content.firstElementChild;
  return () => row.cloneNode(true);
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

/** Call once a frame, however often it is asked for. */
export function framed(draw) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      draw();
    });
  };
}
