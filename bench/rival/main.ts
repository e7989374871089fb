/**
 * The rival as a process: the guide's middleware, an Express API over Redis and the platform. Any number may share one
 * Redis. Says `{type:'ready', url}` over IPC once it listens.
 */
import { createServer } from 'node:http';
import { pino } from 'pino';
import { createApp } from './app.js';
import { ChannelQueue } from './channel-queue.js';
import { CleanUp } from './clean-up.js';
import { PlatformClient } from './platform-client.js';
import { followEvents } from './platform-events.js';
import { Sessions } from './sessions.js';
import { readRivalSettings } from './settings.js';
import { Store } from './store.js';

const settings = readRivalSettings();
const log = pino({ name: 'rival', level: settings.LOG_LEVEL });
process.once('disconnect', () => process.exit(0));

const store = new Store(settings.REDIS_URL);
await store.open();
const { PLATFORM_BASE_URL: baseUrl, PLATFORM_CLIENT_ID: clientId, PLATFORM_CLIENT_SECRET: clientSecret } = settings;
const platform = new PlatformClient(baseUrl, clientId, clientSecret);
const queue = new ChannelQueue(store, platform, settings.BARGE_WAIT_SECONDS * 1_000);
const sessions = new Sessions(store, platform, queue);
const cleanUp = new CleanUp({ store, platform, queue, sessions });

const server = createServer(createApp(sessions, settings.API_KEY, log));
server.listen(settings.PORT, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : settings.PORT;
  log.info({ port }, 'rival.ready');
  process.send?.({ type: 'ready', url: `http://127.0.0.1:${port}` });
});

void followEvents(baseUrl, platform, cleanUp);
setInterval(() => {
  cleanUp.sweep().catch((error: unknown) => log.warn({ err: error }, 'sweep.failed'));
}, settings.SWEEP_INTERVAL_SECONDS * 1_000);
cleanUp.resume().catch((error: unknown) => log.warn({ err: error }, 'resume.failed'));
