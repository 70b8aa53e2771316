// Use the ticket by keys, while nothing is being typed elsewhere.

const isField = (node) => node.matches("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");

/** `ticket` has setSide, setType, nextType, focus, clear and submit. */
export function startKeys(ticket) {
  const keys = {
    b: () => ticket.setSide("Buy"),
    s: () => ticket.setSide("Sell"),
    l: () => ticket.setType("Limit"),
    m: () => ticket.setType("Market"),
    arrowleft: () => ticket.nextType(-1),
    arrowright: () => ticket.nextType(1),
    p: () => ticket.focus("price"),
    q: () => ticket.focus("quantity"),
    escape: () => ticket.clear(),
  };
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.isComposing || event.altKey || event.metaKey) return;
    if (event.ctrlKey) {
      if (key === "Enter" && !event.repeat && !target.closest("#orders")) act(event, () => ticket.submit());
      return;
    }
    const isTyping = target instanceof Element && isField(target);
    if (isTyping && !(key === "Escape" && target.closest("#ticket"))) return;
    // Arrows belong to whatever has the focus, such as a radio button, the tape or the chart.
    // A click beside everything puts it on the page's main part.
    if (key.startsWith("Arrow") && !target.matches("body, main")) return;
    const shortcut = keys[key.toLowerCase()];
    if (shortcut && !event.shiftKey) act(event, shortcut);
  });
}

function act(event, shortcut) {
  event.preventDefault();
  shortcut();
}
