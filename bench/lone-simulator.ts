import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createHttpPlatform } from '../platform/http-platform.js';
import type { HttpPlatform } from '../platform/http-platform.js';

const ready = z.object({ type: z.literal('ready'), url: z.string() });
const added = z.object({ interactionId: z.string() });

/** A simulator in a process of its own, so that what it costs is not measured along, and an adapter to it. */
export class LoneSimulator implements AsyncDisposable {
  private constructor(
    readonly platform: HttpPlatform,
    readonly url: string,
    readonly child: ChildProcess,
  ) {}

  /** @param sampleEverySeconds of each leg's media */
  static async start(sampleEverySeconds: number): Promise<LoneSimulator> {
    const child = fork(fileURLToPath(new URL('../simulator/main.js', import.meta.url)), {
      env: {
        SIMULATOR_PORT: '0',
        SIMULATOR_INTERACTIONS: '0',
        SIMULATOR_CONTROL: 'on',
        SIMULATOR_RATE_LIMIT: '1000000',
        SIMULATOR_ACTIVATION_MIN_MS: '0',
        SIMULATOR_ACTIVATION_MAX_MS: '0',
        SIMULATOR_MEDIA_METRICS_SECONDS: String(sampleEverySeconds),
        LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const { url } = z
      .tuple([ready])
      .rest(z.unknown())
      .parse(await once(child, 'message'))[0];
    const platform = createHttpPlatform({ baseUrl: url, clientId: 'earshot', clientSecret: 'earshot-dev-secret' });
    return new LoneSimulator(platform, url, child);
  }

  /** Connects a call that is carried by a group. */
  async call(primaryGroupId: string): Promise<{ interactionId: string }> {
    return added.parse(await this.control('add-interaction', { primaryGroupId }));
  }

  /** One of its controls (simulator/README.md). */
  async control(name: string, body: unknown): Promise<unknown> {
    const answer = await fetch(`${this.url}/_control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.platform.close();
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }
}
