import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Store } from '../service/store.js';

const EVERY_MS = 1_000;

export const StoreContext = createContext<Store | undefined>(undefined);

export function useStore(): Store {
  const store = useContext(StoreContext);
  if (store === undefined) throw new Error('drawn outside of the page');
  return store;
}

/** One timer for all that shows time: they change together, in one frame. */
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    for (const one of watchers) one();
  }, EVERY_MS);
  return () => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The server's time, ms since the epoch, anew every second. */
export function useServerNow(): number {
  const store = useStore();
  const [, setTick] = useState(0);
  useEffect(() => watch(() => setTick((tick) => tick + 1)), []);
  return store.serverNowMs;
}
