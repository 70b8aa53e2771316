// Whether the page is live: said at once when it is not, and numbers look stale until it is again.

import { setText } from "../dom.js";
import { byId, show } from "./markup.js";

const WORDS = { connecting: "Connecting", live: "Live", lost: "Not live" };
const LOOKS = { connecting: "badge-quiet", live: "badge-good", lost: "badge-bad" };

/** `onLive()` is told each time the connection is there (again). */
export function startConnection(stream, onLive) {
  const badge = byId("connection");
  stream.onState((state) => {
    badge.hidden = false;
    badge.className = `badge ${LOOKS[state]}`;
    setText(badge, WORDS[state]);
    byId("trade").dataset.connection = state;
    show(byId("lost"), state === "lost");
    if (state === "live") onLive();
  });
}
