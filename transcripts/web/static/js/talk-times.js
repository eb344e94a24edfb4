// Who spoke when: overlaps, silence and latency of a call, from the rows of its transcript.  Pure.

const SILENCE_MS = 3_000;
const SPOKEN = new Set(["final", "failed", "dropped"]);

/** The segments of a transcript that have ended, in order. */
export function spokenRows(rows) {
  return rows.filter((row) => row.kind === "segment" && SPOKEN.has(row.state) && row.end > row.at);
}

/** Times in which at least `least` channels speak: `[[from, to]]`, ascending, apart.  `segments`: `{at, end, channel}`. */
export function together(segments, least) {
  const edges = segments.flatMap(({ at, end }) => [[at, 1], [end, -1]]).sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const found = [];
  let depth = 0;
  for (const [time, step] of edges) {
    const before = depth;
    depth += step;
    if (before < least && depth >= least) found.push([time, time]);
    else if (before >= least && depth < least) found.at(-1)[1] = time;
  }
  return found.filter(([from, to]) => to > from);
}

/** Times between two speeches in which nobody speaks for at least `least` ms. */
export function silences(segments, least = SILENCE_MS) {
  const spoken = together(segments, 1);
  return spoken.slice(1).map(([from], place) => [spoken[place][1], from]).filter(([from, to]) => to - from >= least);
}

const length = (spans) => spans.reduce((sum, [from, to]) => sum + to - from, 0);

/** The latency of a final in ms, from the end of its segment on: time in the queue and in the engine. */
export function latencyOf(row) {
  return row.latency ? row.latency.queue_ms + row.latency.engine_ms : null;
}

function quantile(values, part) {
  return values.length ? values[Math.min(values.length - 1, Math.floor(part * values.length))] : null;
}

/** Numbers of a call: speech by role, both at once, silence, latency.  All in ms. */
export function summary(rows, duration) {
  const segments = spokenRows(rows);
  const roles = {};
  for (const { role, at, end } of segments) roles[role] = (roles[role] ?? 0) + end - at;
  const quiet = silences(segments);
  const longest = quiet.reduce((one, other) => (other[1] - other[0] > one[1] - one[0] ? other : one), [0, 0]);
  const latencies = segments.map(latencyOf).filter((one) => one !== null).sort((one, other) => one - other);
  return {
    roles, duration, both: length(together(segments, 2)), silence: Math.max(0, duration - length(together(segments, 1))),
    longest, median: quantile(latencies, 0.5), high: quantile(latencies, 0.95),
  };
}
