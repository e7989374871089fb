/** A variable of the environment that looks like a setting and is none. */
export interface StrangeName {
  readonly name: string;
  /** The setting whose name is most like it. */
  readonly nearest: string;
  /** So much like it that nothing else can be meant. */
  readonly isMisspelt: boolean;
}

/** Whoever has a variable that begins like this means Earshot, in all likelihood. */
const PREFIXES =
  /^(?:EARSHOT|PLATFORM|SIMULATOR|BARGE|SWEEP|CONFIRM|MEDIA|PAYLOAD|TEMPORAL|RATE_LIMIT|WORKER_METRICS|CORS|AUTH)_/;

/** What only Earshot's, or Temporal's, variables begin with; others have a `CORS_ORIGIN` and an `AUTH_ISSUERS` of their own. */
const CERTAIN = /^(?:EARSHOT|PLATFORM|SIMULATOR|BARGE|SWEEP|CONFIRM|MEDIA|PAYLOAD|TEMPORAL|WORKER)_/;

/** What is read besides the settings of the README's table: by the simulator, for the data, and by `@temporalio/envconfig`. */
const ALSO_READ = [
  ...['EARSHOT_DATA_DIR', 'EARSHOT_CACHE_DIR'],
  ...['HOST', 'SEED', 'STATE_FILE', 'WEBHOOK_URL', 'INTERACTIONS', 'CALL_SECONDS', 'TOKEN_SECONDS', 'RATE_LIMIT']
    .concat(['RATE_WINDOW_SECONDS', 'RATE_HEADERS', 'ACTIVATION_MIN_MS', 'ACTIVATION_MAX_MS', 'MEDIA_METRICS_SECONDS'])
    .map((name) => `SIMULATOR_${name}`),
  ...['PROFILE', 'CONFIG_FILE', 'API_KEY', 'TLS', 'TLS_SERVER_NAME', 'TLS_DISABLE_HOST_VERIFICATION']
    .concat(['CLIENT_CERT', 'CLIENT_KEY', 'SERVER_CA_CERT'].flatMap((of) => [`TLS_${of}_PATH`, `TLS_${of}_DATA`]))
    .concat(['CODEC_ENDPOINT', 'CODEC_AUTH', 'TEST_SERVER_PATH'])
    .map((name) => `TEMPORAL_${name}`),
];

/**
 * What is not ours however it begins: what a Kubernetes cluster tells of a service called `platform` or `temporal`
 * (kubernetes.io, "Environment variables"), headers for Temporal, what Temporal's command line and SDKs read, and our tests.
 */
const OTHERS = [
  /_SERVICE_HOST$|_SERVICE_PORT(?:_\w+)?$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/,
  /^TEMPORAL_GRPC_META_|^TEMPORAL_CLI_(?:ADDRESS|NAMESPACE|AUTH|TLS_\w+|CODEC_\w+|PLUGIN_\w+)$/,
  /^TEMPORAL_(?:ENV|ENV_FILE|DEBUG|TRACE_\w+)$/,
  /^EARSHOT_(?:FAULT_\w+|\w+_BUNDLE|FIGURES|KEEP)$/,
];

/** What Kubernetes says of a service, `tcp://10.0.0.1:7233`, is no setting of that name, `TEMPORAL_PORT`. */
export function isOfAService(name: string, value: string): boolean {
  return name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\/\S+$/.test(value);
}

/** A name so long is nobody else's by chance; names as short as these differ by a letter from all sorts of things. */
const TELLING_LENGTH = 12;
/** From this length on, two letters may be wrong. */
const VERY_TELLING_LENGTH = 16;
/** Shorter ones (`HOST`, `PORT`) are like too many. */
const SHORTEST = 7;

/**
 * The variables that look like settings and are none, with the setting that each may have been meant for.
 * @param settings names of all settings, of whatever process
 */
export function strangeNames(
  env: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): readonly StrangeName[] {
  const known = [...settings, ...ALSO_READ];
  return Object.entries(env).flatMap(([name, value = '']) => {
    const written = name.toUpperCase();
    if (value.trim() === '' || known.includes(name) || isOfAService(written, value)) return [];
    if (OTHERS.some((pattern) => pattern.test(written))) return [];
    const begins = PREFIXES.test(written);
    const { nearest, distance } = nearestOf(written, known, begins ? Infinity : 2);
    if (nearest === undefined) return [];
    const isMisspelt =
      CERTAIN.test(nearest) &&
      nearest.length >= TELLING_LENGTH &&
      distance <= (nearest.length >= VERY_TELLING_LENGTH ? 2 : 1);
    const isLike = nearest.length >= SHORTEST && distance === 1;
    return isMisspelt || begins || isLike ? [{ name, nearest, isMisspelt }] : [];
  });
}

function nearestOf(
  name: string,
  known: readonly string[],
  limit: number,
): { readonly nearest: string | undefined; readonly distance: number } {
  let nearest: string | undefined;
  let distance = limit;
  for (const other of known) {
    // Every letter too many or too few has to be put in or left out.
    if (Math.abs(other.length - name.length) > distance) continue;
    const found = editDistance(name, other);
    if (found > limit || (nearest !== undefined && found >= distance)) continue;
    nearest = other;
    distance = found;
  }
  return { nearest, distance };
}

/** How many letters have to be put in, left out, exchanged or swapped with their neighbour (optimal string alignment). */
export function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, n) => n);
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      const swapped = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
        i > 1 && j > 1 && swapped ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [beforeLast, last] = [last, row];
  }
  return last[other.length] ?? 0;
}
