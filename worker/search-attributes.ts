import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTE_NAMES } from '../domain/workflow-contract.js';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;

/** Thrown when the server lacks search attributes and will not register them; the message names the commands that do. */
export class SearchAttributesMissing extends Error {
  override readonly name = 'SearchAttributesMissing';
  readonly code = 'temporal.search-attributes-missing';
}

/**
 * Registers the search attributes of sessions where the namespace lacks them.
 * @throws SearchAttributesMissing where the server refuses (Temporal Cloud leaves it to its own command).
 */
export async function ensureSearchAttributes(connection: NativeConnection, namespace: string): Promise<void> {
  const known = await registeredTypes(connection, namespace);
  const missing = SEARCH_ATTRIBUTE_NAMES.filter((name) => known.get(name) === undefined);
  const wrong = SEARCH_ATTRIBUTE_NAMES.filter((name) => known.get(name) !== undefined && known.get(name) !== KEYWORD);
  if (wrong.length > 0) {
    throw new SearchAttributesMissing(
      `Temporal's namespace ${namespace} has search attributes of another type than Keyword: ${wrong.join(', ')}. Use another namespace (TEMPORAL_NAMESPACE), or remove them.`,
    );
  }
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    });
  } catch (error) {
    // Another worker that starts at the same time may have been faster.
    const after = await registeredTypes(connection, namespace);
    if (missing.every((name) => after.get(name) === KEYWORD)) return;
    throw new SearchAttributesMissing(
      `Temporal's namespace ${namespace} lacks the search attributes ${missing.join(', ')} and refuses to register them (${reasonOf(error)}). Register them once: ${missing.map((name) => `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type Keyword`).join(' && ')}`,
    );
  }
}

async function registeredTypes(connection: NativeConnection, namespace: string): Promise<Map<string, number>> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return new Map<string, number>(Object.entries(customAttributes));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
