import { config } from 'zod';

/**
 * To be imported before anything that makes a schema: zod would compile each with `new Function`, and tries whether it may,
 * which the page's policy refuses and the browser reports.
 */
config({ jitless: true });
