import { sleep } from '@temporalio/workflow';

/**
 * Resolves in another workflow task, in which nothing else has been done yet: the one in which a run is to end by
 * continue-as-new. The server refuses that end if a message has arrived meanwhile, and has the whole task done again: what
 * its local activities did would be done twice, at another time and perhaps with another decision. And what an update was
 * answered in the last task of a run may never reach its caller.
 */
export async function taskOfItsOwn(): Promise<void> {
  await sleep(1, { summary: 'before the history begins anew' });
}
