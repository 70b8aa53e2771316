// Do something again and again, but not too often. Needs no page.

/**
 * Make a function that has the task done soon: one at a time, with a pause after each, and once more where it was asked for meanwhile.
 * `clock` is the browser's, but for tests.
 */
export function paced(task, pauseMs, clock = globalThis) {
  let isBusy = false;
  let isAskedFor = false;
  return async function ask() {
    isAskedFor = true;
    if (isBusy) return;
    isBusy = true;
    while (isAskedFor) {
      isAskedFor = false;
      try {
        await task();
      } catch (error) {
        console.warn(error);
      }
      await new Promise((resolve) => clock.setTimeout(resolve, pauseMs));
    }
    isBusy = false;
  };
}
