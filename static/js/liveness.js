// Say whether a page is live.

import { setText } from "./dom.js";

export const WORDS = { connecting: "Connecting…", live: "Live", lost: "Connection lost, connecting again…" };
const BADGES = { connecting: "badge-quiet", live: "badge-good", lost: "badge-bad" };

/** Show the stream's state in a badge, and dim what is no longer current. */
export function showLiveness(stream, badge, content) {
  stream.onState((state) => {
    badge.hidden = false;
    setText(badge, WORDS[state]);
    badge.className = `badge ${BADGES[state]}`;
    content.classList.toggle("stale", state === "lost");
  });
}
