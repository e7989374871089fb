/** Exit code of a process that was configured wrongly (`EX_CONFIG` of `sysexits.h`): starting it again changes nothing. */
export const CONFIGURATION_EXIT_CODE = 78;

/** A reason not to start that its message explains to a person; never a stack trace. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
  readonly code = 'process.cannot-start';

  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}
