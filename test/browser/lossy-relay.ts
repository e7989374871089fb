import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Endpoint, Side } from './loopback.js';

/** Every sixth packet of sound from the platform is lost, the repeated ones too. */
const LOSS = 6;

/** A bad network: passes on what the two send each other, and loses some of what the platform says. */
export class LossyRelay implements AsyncDisposable {
  readonly #sockets: Socket[] = [];
  #packets = 0;

  /** Resolves with the ports that each side has to send to instead of the other. */
  async between(ends: { readonly [side in Side]: Endpoint }): Promise<{ [side in Side]: number }> {
    const facingPlatform = await this.#open(ends.platform.address);
    const facingDesktop = await this.#open(ends.desktop.address);
    facingPlatform.on('message', (packet, { port }) => {
      if (port === ends.platform.port && !this.#isLost(packet)) {
        facingDesktop.send(packet, ends.desktop.port, ends.desktop.address);
      }
    });
    facingDesktop.on('message', (packet, { port }) => {
      if (port === ends.desktop.port) facingPlatform.send(packet, ends.platform.port, ends.platform.address);
    });
    return { platform: facingPlatform.address().port, desktop: facingDesktop.address().port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#sockets.map(async (socket) => {
        const closed = once(socket, 'close');
        socket.close();
        await closed;
      }),
    );
  }

  #isLost(packet: Buffer): boolean {
    const [first = 0, second = 0] = packet;
    // What is neither STUN nor DTLS is RTP or RTCP (RFC 7983, 7), and RTCP has these types (RFC 5761, 4).
    const isRtp = first >= 128 && first <= 191 && (second < 192 || second > 223);
    if (isRtp) this.#packets += 1;
    return isRtp && this.#packets % LOSS === 0;
  }

  async #open(address: string): Promise<Socket> {
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    socket.bind(0, address);
    await once(socket, 'listening');
    return socket;
  }
}
