/**
 * Loaded into the conformance suite before itself. It gives some answers half a second and takes what comes later for a
 * failure, which it is not on a machine that has other tests to run: all its times are longer.
 */
const { setTimeout } = globalThis;
globalThis.setTimeout = (run, ms, ...args) => setTimeout(run, 5 * ms, ...args);
