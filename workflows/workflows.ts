/** Every workflow type that a worker of Earshot runs, by its name. */
export { monitoringSession } from './monitoring-session.js';
export { bargeMutex } from './barge-mutex.js';
export { listInteractions } from './list-interactions.js';
export { interactionSweep } from './interaction-sweep.js';
export { platformEvents } from './platform-events.js';
export { tokenKeeper } from './token-keeper.js';
