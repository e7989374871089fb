export { lockWorkflow } from './lock-workflow.js';
export { speaker } from './speaker-workflow.js';
