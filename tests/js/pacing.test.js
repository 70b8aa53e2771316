import assert from "node:assert/strict";
import { test } from "node:test";

import { paced } from "../../static/js/pacing.js";

const soon = () => new Promise((resolve) => setImmediate(resolve));

function scene() {
  const waiting = [];
  const done = [];
  const clock = { setTimeout: (resolve, ms) => waiting.push([resolve, ms]) };
  const release = async () => {
    waiting.shift()[0]();
    await soon();
  };
  return { waiting, done, clock, release };
}

test("what is asked for often is done at once, and once more after the pause", async () => {
  const { waiting, done, clock, release } = scene();
  const ask = paced(async () => done.push("done"), 1000, clock);
  for (let n = 0; n < 5; n++) ask();
  await soon();
  assert.equal(done.length, 1);
  assert.deepEqual(waiting.map(([, ms]) => ms), [1000]);
  await release();
  assert.equal(done.length, 2);
  await release();
  assert.equal(done.length, 2);
  ask();
  await soon();
  assert.equal(done.length, 3);
});

test("a failure does not end it", async () => {
  const { done, clock, release } = scene();
  const warn = console.warn;
  console.warn = () => {};
  const ask = paced(async () => {
    done.push("tried");
    throw new Error("no network");
  }, 1000, clock);
  ask();
  await soon();
  await release();
  ask();
  await soon();
  assert.equal(done.length, 2);
  console.warn = warn;
});
