// How long something takes here.

/** The median of `runs` runs, in milliseconds. Clocks of browsers are coarse: a run repeats the work until it has
 *  lasted a while. Between runs the page may do other things; `isOver` ends it all early, with undefined. */
export async function median(work, runs, isOver) {
  work();
  const times = [];
  for (let run = 0; run < runs; run++) {
    await new Promise((resolve) => setTimeout(resolve));
    if (isOver()) return undefined;
    times.push(once(work));
  }
  times.sort((one, other) => one - other);
  return times[Math.floor(runs / 2)];
}

function once(work) {
  const start = performance.now();
  let calls = 0;
  let end;
  do {
    work();
    calls++;
    end = performance.now();
  } while (end - start < LONG_ENOUGH);
  return (end - start) / calls;
}

const LONG_ENOUGH = 5;
