/** Where the floor's workflows run, away from Earshot's. */
export const FLOOR_QUEUE = 'floor';
