import type { JSX } from 'preact';
import type { MediaSample } from '../../domain/notifications.js';
import type { SessionResource } from '../../domain/session.js';

const WORDS = { good: 'Heard well', fair: 'Heard fairly', poor: 'Heard poorly' } as const;

const WIDTH = 240;
const HEIGHT = 48;

/** The chart's width: what there is of the last five minutes, at least one. */
const LONGEST_SPAN_MS = 300_000;
const SHORTEST_SPAN_MS = 60_000;

/** What the chart's top stands for at least: quiet lines must not look like mountains. */
const LOSS_TOP = 0.05;
const JITTER_TOP_MS = 50;

interface QualityProps {
  readonly session: SessionResource;
  readonly samples: readonly MediaSample[];
}

/** How well we hear the call, with its last minutes. */
export function Quality({ session, samples }: QualityProps): JSX.Element | null {
  const { media } = session;
  if (media === null) return null;
  const last = samples.at(-1);
  const packetLoss = last?.packetLoss ?? media.packetLoss;
  const jitterMs = last?.jitterMs ?? media.jitterMs;
  const roundTripMs = last?.roundTripMs ?? media.roundTripMs;
  if (media.quality === null || packetLoss === null || jitterMs === null || roundTripMs === null) {
    return <p class="quality muted">Quality: not measured yet</p>;
  }
  const figures = `${(packetLoss * 100).toFixed(1)} % lost, ${Math.round(jitterMs)} ms jitter, ${Math.round(roundTripMs)} ms round trip`;
  return (
    <div class="quality" data-quality={media.quality}>
      <p>
        <Bars quality={media.quality} /> <strong>{WORDS[media.quality]}</strong> <span class="muted">{figures}</span>
      </p>
      {samples.length > 1 && <Chart samples={samples} />}
    </div>
  );
}

function Bars({ quality }: { readonly quality: keyof typeof WORDS }): JSX.Element {
  const filled = { good: 3, fair: 2, poor: 1 }[quality];
  return (
    <svg class={`bars bars-${quality}`} viewBox="0 0 18 16" aria-hidden="true" focusable="false">
      {[0, 1, 2].map((index) => (
        <rect
          key={index}
          x={index * 6 + 1}
          y={11 - index * 5}
          width="4"
          height={5 + index * 5}
          class={index < filled ? 'on' : 'off'}
        />
      ))}
    </svg>
  );
}

function Chart({ samples }: { readonly samples: readonly MediaSample[] }): JSX.Element {
  const worst = Math.max(...samples.map(({ packetLoss }) => packetLoss));
  const longest = Math.max(...samples.map(({ jitterMs }) => jitterMs));
  const lossTop = Math.max(LOSS_TOP, worst);
  const jitterTop = Math.max(JITTER_TOP_MS, longest);
  const endMs = Date.parse(samples.at(-1)?.sampledAt ?? '');
  const firstMs = Date.parse(samples[0]?.sampledAt ?? '');
  const spanMs = Math.min(Math.max(endMs - firstMs, SHORTEST_SPAN_MS), LONGEST_SPAN_MS);
  const line = (share: (sample: MediaSample) => number): string =>
    samples
      .filter(({ sampledAt }) => endMs - Date.parse(sampledAt) <= spanMs)
      .map((sample) => {
        const x = WIDTH - ((endMs - Date.parse(sample.sampledAt)) / spanMs) * WIDTH;
        return `${x.toFixed(1)},${(HEIGHT - 2 - share(sample) * (HEIGHT - 4)).toFixed(1)}`;
      })
      .join(' ');
  return (
    <figure class="chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`The last ${spanText(spanMs)}: at most ${(worst * 100).toFixed(1)} % lost and ${Math.round(longest)} ms jitter`}
      >
        <line class="base" x1="0" x2={WIDTH} y1={HEIGHT - 1} y2={HEIGHT - 1} />
        <polyline class="loss" points={line(({ packetLoss }) => packetLoss / lossTop)} />
        <polyline class="jitter" points={line(({ jitterMs }) => jitterMs / jitterTop)} />
      </svg>
      <figcaption aria-hidden="true">
        <span class="key key-loss" /> lost, top {(lossTop * 100).toFixed(0)} % <span class="key key-jitter" /> jitter,
        top {Math.round(jitterTop)} ms; the last {spanText(spanMs)}
      </figcaption>
    </figure>
  );
}

function spanText(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes === 1 ? 'minute' : `${minutes} minutes`;
}
