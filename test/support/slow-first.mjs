/**
 * Jest's order of suites: the long ones first, so that none is left over at the end with every other worker idle. A fresh
 * clone knows no durations, and the size of a file says little: these wait for the time that passes.
 */
const SLOW = [
  ...['test/workflows/sweep', 'test/workflows/reset', 'test/faults/', 'test/workflows/barge-mutex'],
  'test/browser/console',
  ...['test/workflows/', 'test/e2e/', 'test/api/'],
];

export default class SlowFirst {
  sort(tests) {
    const rank = ({ path }) => {
      const index = SLOW.findIndex((part) => path.includes(part));
      return index < 0 ? SLOW.length : index;
    };
    return [...tests].sort((one, other) => rank(one) - rank(other) || one.path.localeCompare(other.path));
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {
    // Durations would make the order of one machine differ from that of another.
  }
}
