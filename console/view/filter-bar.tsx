import type { JSX } from 'preact';
import type { Model } from '../model/model.js';
import { queuesOf } from '../model/rows.js';
import { useStore } from './context.js';

interface FilterBarProps {
  readonly model: Model;
  /** Rows that are shown. */
  readonly shown: number;
}

export function FilterBar({ model, shown }: FilterBarProps): JSX.Element {
  const store = useStore();
  const { filter, calls, listing } = model;
  // The one that was chosen, too, while no call is in it.
  const queues = [...new Set([...queuesOf(model), ...(filter.queue === null ? [] : [filter.queue])])];
  return (
    <form class="filter" role="search" aria-label="Live calls" onSubmit={(event) => event.preventDefault()}>
      <label>
        Search
        <input
          type="search"
          name="search"
          placeholder="Agent, queue, supervisor"
          value={filter.text}
          onInput={({ currentTarget }) => store.filter({ text: currentTarget.value })}
        />
      </label>
      <label>
        Queue
        <select
          name="queue"
          value={filter.queue ?? ''}
          onChange={({ currentTarget }) =>
            store.filter({ queue: currentTarget.value === '' ? null : currentTarget.value })
          }
        >
          <option value="">All</option>
          {queues.map((queue) => (
            <option key={queue} value={queue}>
              {queue}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          name="monitored"
          checked={filter.monitored}
          onChange={({ currentTarget }) => store.filter({ monitored: currentTarget.checked })}
        />
        A supervisor is on it
      </label>
      <output class="muted">
        {listing.kind === 'loading' ? '' : shown === calls.size ? `${shown} calls` : `${shown} of ${calls.size} calls`}
      </output>
    </form>
  );
}
