import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

/** Where distributions put it. */
const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const asked = process.env['CHROMIUM_PATH'];
const path = asked === undefined || asked === '' ? PATHS.find((one) => existsSync(one)) : asked;

export const HAS_CHROMIUM = path !== undefined;

/** A real Chromium without a window, whose pages may play audio and connect to each other on this machine. */
export async function startChromium(): Promise<Browser> {
  if (path === undefined) throw new Error('There is no Chromium: HAS_CHROMIUM tells so');
  return chromium.launch({
    executablePath: path,
    args: [
      '--autoplay-policy=no-user-gesture-required',
      '--allow-loopback-in-peer-connection',
      // Names of mDNS, which stand for addresses where no microphone is allowed, need a network that tells them.
      '--disable-features=WebRtcHideLocalIpsWithMdns',
      // Containers often have little of it.
      '--disable-dev-shm-usage',
      // Chromium's sandbox refuses to run as root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  });
}
