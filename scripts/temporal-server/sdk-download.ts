import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { messageOf, systemErrorCode } from '../system-error.js';
import type { Artefact } from './artefacts.js';
import { TarFileExtractor } from './tar-file-extractor.js';

/** The release of `@temporalio/*` in package.json: the service picks the server that goes with it. */
export const SDK_VERSION = '1.24.0';

/** Where the SDK itself gets its servers from. */
const SERVICE = 'https://temporal.download';

/** A network that swallows packets must not delay a start that has another way. */
const ANSWER_LIMIT_MS = 5_000;
const ARCHIVE_LIMIT_MS = 120_000;

const downloadInfo = z.object({ archiveUrl: z.url(), fileToExtract: z.string().min(1) });

/** What can be set apart for tests. */
export interface SdkDownloadOptions {
  /** @default 'https://temporal.download' */
  readonly service?: string;
  /** @default 5000 */
  readonly answerLimitMs?: number;
}

/**
 * Downloads an executable as `@temporalio/testing` would (`core-bridge`, `ephemeral_server/mod.rs`): asks the service for
 * the archive that fits the SDK and this machine, and unpacks the one file from it.
 */
export async function downloadFromSdk(
  artefact: Artefact,
  destination: string,
  { service = SERVICE, answerLimitMs = ANSWER_LIMIT_MS }: SdkDownloadOptions = {},
): Promise<void> {
  const query = new URLSearchParams({
    arch: process.arch === 'x64' ? 'amd64' : process.arch,
    platform: process.platform,
    format: 'tar.gz',
    'sdk-name': 'sdk-typescript',
    'sdk-version': SDK_VERSION,
  });
  const answer = await request(`${service}/${artefact.download}/default?${query.toString()}`, answerLimitMs);
  const info = downloadInfo.parse(await answer.json());
  const archive = await request(info.archiveUrl, ARCHIVE_LIMIT_MS);
  if (archive.body === null) throw new Error(`${info.archiveUrl} answered nothing`);
  const extractor = new TarFileExtractor(info.fileToExtract);
  await pipeline(archive.body, createGunzip(), extractor, createWriteStream(destination));
}

async function request(url: string, limitMs: number): Promise<Response> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(limitMs) }).catch((error: unknown) => {
    throw new Error(`${new URL(url).host} can't be reached (${reasonOf(error)})`);
  });
  if (!answer.ok) throw new Error(`${new URL(url).host} answered ${answer.status}`);
  return answer;
}

function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  if ('name' in error && error.name === 'TimeoutError') return 'no answer in time';
  return ('cause' in error ? systemErrorCode(error.cause) : undefined) ?? messageOf(error);
}
