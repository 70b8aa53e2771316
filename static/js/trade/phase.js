// The market's phase: what may be done now, and in a call what it would give and when it ends.

import { api } from "../api.js";
import { setText } from "../dom.js";
import { countdown, NOTHING } from "../format.js";
import { byId, part, show } from "./markup.js";

/** `onPhase(phase)` is told whenever it changes. */
export function startPhase(stream, market, onPhase) {
  const [badge, banner] = [byId("phase"), byId("phase-banner")];
  const call = part(banner, "call");
  let [auction, ahead] = [null, 0];

  const drawEnd = () => {
    if (!auction) return;
    const end = auction.ends_at ? countdown(Date.parse(auction.ends_at) - Date.now() - ahead) : "when an operator says so";
    setText(part(banner, "ends_at"), end === "0:00" ? "any moment" : end);
  };
  setInterval(drawEnd, 1000);

  stream.follow(`auction:${market.slug}`, ({ auction: told }) => {
    const isNew = told.phase !== auction?.phase;
    auction = told;
    const isCall = ["Auction", "PreOpen"].includes(told.phase);
    const [name, words] = market.phases[told.phase];
    setText(badge, name);
    badge.className = `phase phase-${told.phase.toLowerCase()}`;
    setText(part(banner, "name"), `${name}.`);
    setText(part(banner, "words"), words);
    setText(part(banner, "indicative_price"), told.indicative_price ?? "nothing crosses");
    setText(part(banner, "indicative_volume"), told.indicative_volume ?? NOTHING);
    setText(part(banner, "surplus"), told.surplus_side ? `${told.surplus_side} ${told.surplus}` : NOTHING);
    show(call, isCall);
    show(banner, told.phase !== "Continuous");
    drawEnd();
    if (!isNew) return;
    onPhase(told.phase);
    if (isCall) clockAhead().then((by) => ((ahead = by), drawEnd()), () => {});
  });
}

/** By how much the venue's clock is ahead of this one is not known without asking; a countdown goes by it. */
async function clockAhead() {
  const asked = Date.now();
  const { now } = await api("GET", "/time");
  return Date.parse(now) - (asked + Date.now()) / 2;
}
