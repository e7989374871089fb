import { Transform, type TransformCallback } from 'node:stream';

const BLOCK = 512;

/** Takes a tar archive as a stream and gives out the content of one file of it; an error at the end if it has none. */
export class TarFileExtractor extends Transform {
  readonly #wanted: string;
  #header = Buffer.alloc(0);
  /** Bytes left of the current entry's content, then of its padding. */
  #content = 0;
  #padding = 0;
  #isWanted = false;
  #found = false;

  constructor(wanted: string) {
    super();
    this.#wanted = wanted.replace(/^\.\//, '');
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#content > 0) {
        const part = rest.subarray(0, this.#content);
        if (this.#isWanted) this.push(part);
        this.#content -= part.length;
        rest = rest.subarray(part.length);
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, rest.length);
        this.#padding -= skipped;
        rest = rest.subarray(skipped);
      } else {
        const part = rest.subarray(0, BLOCK - this.#header.length);
        this.#header = Buffer.concat([this.#header, part]);
        rest = rest.subarray(part.length);
        if (this.#header.length === BLOCK) this.#enter();
      }
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    const complete = this.#found && this.#content === 0;
    done(complete ? null : new Error(`the archive is cut short or holds no ${this.#wanted}`));
  }

  #enter(): void {
    const header = this.#header;
    this.#header = Buffer.alloc(0);
    if (header.every((byte) => byte === 0)) return;
    const text = (start: number, length: number): string => {
      const field = header.toString('utf8', start, start + length);
      const end = field.indexOf('\0');
      return end < 0 ? field : field.slice(0, end);
    };
    const isUstar = text(257, 5) === 'ustar';
    const prefix = isUstar ? text(345, 155) : '';
    const name = (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`).replace(/^\.\//, '');
    const isFile = ['', '0'].includes(text(156, 1));
    this.#content = Number.parseInt(text(124, 12).trim(), 8) || 0;
    this.#padding = (BLOCK - (this.#content % BLOCK)) % BLOCK;
    this.#isWanted = isFile && !this.#found && name === this.#wanted;
    this.#found ||= this.#isWanted;
  }
}
