import { ExportResultCode } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';

/** Is told when spans cannot be told any more, and why, and when they can be again. */
export interface ExportListener {
  readonly lost: (cause: string) => void;
  readonly told: () => void;
}

type Callback = Parameters<SpanExporter['export']>[1];

/**
 * Tells spans by another exporter, of whose trouble it makes one piece of news however long it lasts. Whoever hands in spans
 * never hears of it: a collector that is away must concern nobody.
 */
export class QuietExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #listener: ExportListener;
  #isLosing = false;

  constructor(exporter: SpanExporter, listener: ExportListener) {
    this.#exporter = exporter;
    this.#listener = listener;
  }

  export(spans: ReadableSpan[], done: Callback): void {
    const failed = (cause: string): void => {
      if (!this.#isLosing) this.#listener.lost(cause);
      this.#isLosing = true;
      done({ code: ExportResultCode.SUCCESS });
    };
    try {
      this.#exporter.export(spans, ({ code, error }) => {
        if (code !== ExportResultCode.SUCCESS) {
          failed(error?.message ?? 'no reason given');
          return;
        }
        if (this.#isLosing) this.#listener.told();
        this.#isLosing = false;
        done({ code: ExportResultCode.SUCCESS });
      });
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
    }
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }
}
