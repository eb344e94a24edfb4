// Which word of a row is spoken when.  Words without times are placed by their share of the row's letters.

/** The words of a row with their place in its text: `{start, end, ms}`; `start` and `end` in UTF-16 units. */
export function spokenWords(row) {
  const words = (row.words ?? []).map((word) => word.w);
  const isWhole = words.join(" ") === row.text;
  const parts = isWhole ? words : row.text.split(" ");
  let at = 0;
  return parts.map((text, index) => {
    const start = at;
    at += text.length + 1;
    const known = isWhole ? row.words[index].s : undefined;
    return { start, end: start + text.length, ms: known ?? row.at + ((row.end - row.at) * start) / Math.max(1, row.text.length) };
  });
}

/** The word at a place of the row's text: that which the place is in or behind. */
export function wordAt(row, offset) {
  return spokenWords(row).findLast((word) => word.start <= offset) ?? null;
}

/** The rows that are spoken at a time, each with its word. */
export function spokenAt(rows, ms) {
  return rows.filter((row) => row.kind === "segment" && row.state === "final" && row.text && row.at <= ms && ms < row.end)
    .map((row) => ({ row, word: spokenWords(row).findLast((word) => word.ms <= ms) ?? spokenWords(row)[0] }));
}

/** The part of an element's text between two places, as a Range; null if the text is shorter. */
export function rangeIn(place, start, end) {
  const range = document.createRange();
  const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  let at = 0;
  let isBegun = false;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const { length } = node.data;
    if (!isBegun && start < at + length) {
      range.setStart(node, start - at);
      isBegun = true;
    }
    if (isBegun && end <= at + length) {
      range.setEnd(node, end - at);
      return range;
    }
    at += length;
  }
  return null;
}

/** The place in an element's text at a point of the screen; null if the point is elsewhere. */
export function offsetAt(place, x, y) {
  const caret = document.caretPositionFromPoint?.(x, y);
  const found = caret ? { node: caret.offsetNode, offset: caret.offset } : caretBefore(x, y);
  if (!found || !place.contains(found.node)) return null;
  const range = document.createRange();
  range.setStart(place, 0);
  range.setEnd(found.node, found.offset);
  return range.toString().length;
}

function caretBefore(x, y) {
  const range = document.caretRangeFromPoint?.(x, y);
  return range ? { node: range.startContainer, offset: range.startOffset } : null;
}
