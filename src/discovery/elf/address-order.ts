/** Finds the entry that contains an address, among entries that each have a start. */
export interface AddressOrder {
  /** Index of the entry with the greatest start ≤ `address` (the first of equal ones), or -1. */
  lastAtOrBefore(address: number): number;
  /** Start of the next entry that begins later than entry `index` does, or undefined. */
  startAfter(index: number): number | undefined;
}

/** Sorts once. It leaves out starts that are NaN. */
export function orderByAddress(starts: Float64Array): AddressOrder {
  const order = new Uint32Array(starts.length).map((_, index) => index).filter((index) => !Number.isNaN(starts[index]));
  let sorted = true;
  for (let at = 1; at < order.length && sorted; at++) sorted = starts[order[at - 1]!]! <= starts[order[at]!]!;
  if (!sorted) order.sort((a, b) => starts[a]! - starts[b]! || a - b);

  /** Number of entries that start at or before `address`. */
  const countUpTo = (address: number) => {
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[order[middle]!]! <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    lastAtOrBefore(address) {
      const count = countUpTo(address);
      if (count === 0) return -1;
      const start = starts[order[count - 1]!]!;
      // Aliases share a start. A search from just below it finds the first of them.
      return order[countUpTo(start - 1)]!;
    },
    startAfter(index) {
      const next = order[countUpTo(starts[index]!)];
      return next === undefined ? undefined : starts[next];
    },
  };
}
