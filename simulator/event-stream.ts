import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock, Timers } from './clock.js';
import type { PlatformEvent } from './event-publisher.js';
import type { IssuedToken } from './token-store.js';

/** `platform-api.md`, Events: the server pings every 15 s. */
const PING_INTERVAL_MS = 15_000;
/** A consumer that lets this many bytes pile up is dropped, as the platform may at any time. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;

interface Connection {
  readonly socket: WebSocket;
  readonly token: IssuedToken;
  answeredPing: boolean;
  readonly cancelExpiry: () => void;
}

/** The WebSocket connections of `/api/v2/notifications/stream`; every one gets every event. */
export class EventStream {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #server = new WebSocketServer({ noServer: true });
  readonly #connections = new Set<Connection>();

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
    timers.every(PING_INTERVAL_MS, () => this.#pingAll());
  }

  /** How many connections are open. */
  get size(): number {
    return this.#connections.size;
  }

  /** Completes an upgrade that has been let in under `token`; the connection ends when the token does. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, token: IssuedToken): void {
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const expiry = (): void => webSocket.close(POLICY_VIOLATION, 'token expired');
      const connection: Connection = {
        socket: webSocket,
        token,
        answeredPing: true,
        cancelExpiry: this.#timers.after(token.expiresAtMs - this.#clock.nowMs(), expiry),
      };
      this.#connections.add(connection);
      webSocket.on('pong', () => (connection.answeredPing = true));
      webSocket.on('error', () => webSocket.terminate());
      webSocket.on('close', () => {
        connection.cancelExpiry();
        this.#connections.delete(connection);
      });
    });
  }

  send(event: PlatformEvent): void {
    const text = JSON.stringify(event);
    for (const { socket } of this.#connections) {
      if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate();
      else if (socket.readyState === socket.OPEN) socket.send(text);
    }
  }

  /** Drops all connections without a closing handshake; answers how many. */
  dropAll(): number {
    const count = this.#connections.size;
    for (const { socket } of this.#connections) socket.terminate();
    return count;
  }

  /** Closes the connections whose token has been revoked. */
  closeRevoked(): void {
    for (const { socket, token } of this.#connections)
      if (token.revoked) socket.close(POLICY_VIOLATION, 'token revoked');
  }

  /** Says goodbye on all connections and then drops them. */
  close(): void {
    for (const { socket } of this.#connections) {
      socket.close(GOING_AWAY, 'shutting down');
      socket.terminate();
    }
    this.#server.close();
  }

  #pingAll(): void {
    for (const connection of this.#connections) {
      if (!connection.answeredPing) {
        connection.socket.terminate();
        continue;
      }
      connection.answeredPing = false;
      connection.socket.ping();
    }
  }
}
