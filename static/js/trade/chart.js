// The chart: candles and volume of one interval, older ones as the reader goes back to them.

import { CandlestickSeries, ColorType, createChart, HistogramSeries } from "../../vendor/lightweight-charts.standalone.production.mjs";
import { api } from "../api.js";
import { bar, Candles, SECONDS } from "./candles_state.js";
import { byId } from "./markup.js";

const READ = 240;
const NEAR_THE_START = 30;
const VOLUME = 5;

export function startChart(stream, market) {
  const box = byId("chart-box");
  box.replaceChildren();
  // The logo would bring a style of its own, which no page of ours may have; the link to its makers is beside the intervals.
  const chart = createChart(box, { autoSize: true, layout: { attributionLogo: false }, localization: { locale: "en-GB" } });
  const priceFormat = { type: "price", precision: market.price_decimals, minMove: Number(market.tick_size) };
  const prices = chart.addSeries(CandlestickSeries, { priceFormat });
  const volumes = chart.addSeries(HistogramSeries, { priceScaleId: "", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
  prices.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.24 } });
  volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });

  let interval = new URLSearchParams(location.hash.slice(1)).get("interval") ?? "1m";
  if (!Object.hasOwn(SECONDS, interval)) interval = "1m";
  let [candles, colors] = [new Candles(), null];
  let [isReading, isComplete, unfollow] = [false, false, () => {}];

  const volumeOf = (row) => ({ time: bar(row).time, value: Number(row[VOLUME]), color: Number(row[4]) < Number(row[1]) ? colors.down : colors.up });

  const draw = () => {
    const rows = candles.rows;
    prices.setData(rows.map(bar));
    volumes.setData(rows.map(volumeOf));
  };

  const take = (rows) => {
    if (candles.add(rows)) {
      draw();
    } else if (candles.last) {
      prices.update(bar(candles.last));
      volumes.update(volumeOf(candles.last));
    }
  };

  const read = async (query) => {
    const [asked, path] = [candles, `/markets/${market.slug}/candles?interval=${interval}&limit=${READ}${query}`];
    const { results } = await api("GET", path);
    return asked === candles ? results : null; // another interval was chosen meanwhile
  };

  const readOlder = async (range) => {
    if (range === null || range.from > NEAR_THE_START || isReading || isComplete) return;
    const end = candles.endOfOlder();
    if (end === undefined) return;
    isReading = true;
    try {
      const older = await read(`&end=${end}`);
      if (older === null) return;
      isComplete = older.length < READ;
      take(older);
    } catch (problem) {
      console.warn(problem);
    } finally {
      isReading = false;
    }
  };
  chart.timeScale().subscribeVisibleLogicalRangeChange(readOlder);

  const resync = async () => {
    const newest = await read("");
    if (newest === null) return;
    if (candles.addNewest(newest, READ)) isComplete = false;
    isComplete ||= newest.length < READ;
    draw();
  };

  const choose = (chosen) => {
    interval = chosen;
    candles = new Candles();
    isComplete = false;
    draw();
    unfollow();
    unfollow = stream.follow(`candles.${interval}:${market.slug}`, ({ candle }) => take([candle]));
    const isDay = SECONDS[interval] >= SECONDS["1d"];
    chart.timeScale().applyOptions({ timeVisible: !isDay, secondsVisible: false, barSpacing: 7, rightOffset: 4 });
    for (const button of byId("intervals").children) button.setAttribute("aria-pressed", String(button.value === interval));
    resync().then(() => chart.timeScale().scrollToRealTime(), console.warn);
  };

  const paint = () => {
    colors = colorsOf(box);
    const { ink, faint, line, bid, ask } = colors;
    chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: "transparent" }, textColor: faint, fontFamily: getComputedStyle(box).fontFamily, fontSize: 11 },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
      crosshair: { vertLine: { color: faint, labelBackgroundColor: ink }, horzLine: { color: faint, labelBackgroundColor: ink } },
    });
    // A falling candle is filled and a rising one pale within, so that no color is needed to tell them apart.
    prices.applyOptions({ upColor: colors.pale, downColor: ask, borderUpColor: bid, borderDownColor: ask, wickUpColor: bid, wickDownColor: ask });
    draw();
  };

  byId("intervals").hidden = false;
  byId("intervals").addEventListener("click", ({ target }) => {
    if (!Object.hasOwn(SECONDS, target.value)) return;
    history.replaceState(null, "", `#interval=${target.value}`);
    choose(target.value);
  });
  document.addEventListener("themechange", paint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  choose(interval);

  return {
    resync: () => resync().catch(console.warn),
    describe({ last, high, low }) {
      const label = `${market.symbol}: last ${last ?? "none"}, 24 hour high ${high ?? "none"}, low ${low ?? "none"}.`;
      if (box.getAttribute("aria-label") !== label) box.setAttribute("aria-label", label);
    },
  };
}

/** The style sheet's colors as they are now; a canvas understands none of its functions. */
function colorsOf(box) {
  const probe = box.appendChild(document.createElement("span"));
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["ink", "faint", "line", "bid", "ask", "card"];
  const colors = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  const channels = (name) => colors[name].match(/\d+/g).map(Number);
  const onCard = (name, share) => {
    const card = channels("card");
    return `rgb(${channels(name).map((channel, n) => Math.round(channel * share + card[n] * (1 - share))).join()})`;
  };
  return { ...colors, up: onCard("bid", 0.4), down: onCard("ask", 0.4), pale: onCard("bid", 0.2) };
}
