// Messages between agents over QUIC.
import { codeMethods } from '../check/coded';
import { argumentError, closedError, native, nativeNow, wrongType } from '../check/error';
import { DAY_MS, checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkFingerprint, checkOptionalText, checkText } from '../check/text';
import { type AbortSignalLike, abortable, checkSignal } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { addon } from '../native/addon';
import type { NativeCancellation, NativeTransport } from '../native/native';
import type { PoolStatistics } from '../sync/session';
import { type AgentMessage, checkMessage, checkStreamId, messageOf } from './agent-message';
import { type QuicTransportConfig, type TlsConfig, checkNewTls, checkTransportConfig } from './config';
import { type InboundMessageHandler, MessageHandlers } from './message-handlers';

/** How long a call may take. */
export interface CallOptions {
  /** Ends the call with ERR_ABORTED. A message that was sent already may still arrive. */
  signal?: AbortSignalLike;
  /** Milliseconds until ERR_TIMEOUT. Default: no limit. */
  timeoutMs?: number;
}

/** Outgoing connections, and messages that wait. */
export interface TransportStatistics extends PoolStatistics {
  /** Bytes of messages given to `send` and `request` that are not settled yet. */
  outgoingBytes: number;
  /** Bytes of received messages that nobody has taken. */
  incomingBytes: number;
  /** The number of streams ever opened for messages. */
  streams: number;
}

/**
 * Exchanges messages with other agents: in order within a streamId, acknowledged once the other application has them,
 * at the pace of the receiver. After `close` every method fails with ERR_CLOSED. A listening transport keeps the process
 * alive until it is closed.
 */
export class QuicTransport {
  readonly #native: NativeTransport;
  readonly #handlers: MessageHandlers;
  #processRef: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  /** Creates a transport with a new identity. Opens no socket before the first use. */
  static async create(config?: QuicTransportConfig): Promise<QuicTransport> {
    const network = checkTransportConfig(config);
    const handlers = new MessageHandlers();
    return new QuicTransport(await native(addon.NativeTransport.open(network, handlers.dispatch)), handlers);
  }

  /** Transports are made with `QuicTransport.create`: this throws a TypeError. */
  constructor(transport?: unknown, handlers?: unknown) {
    if (!(transport instanceof addon.NativeTransport) || !(handlers instanceof MessageHandlers))
      throw argumentError('a transport cannot be constructed: await QuicTransport.create(config)');
    this.#native = transport;
    this.#handlers = handlers;
    handlers.attach(transport);
  }

  /** SHA-256 of this node's certificate, 64 hexadecimal digits: what others pin. */
  get fingerprint(): string {
    return this.#native.fingerprint;
  }

  /** The pinned peers, in ascending order. */
  get pinnedFingerprints(): string[] {
    return this.#native.pinnedFingerprints;
  }

  /**
   * Replaces the trust settings and this node's certificate, read as by `create`; files are read again. Takes effect at
   * once: connections to peers that are no longer trusted are closed, and new connections use the new certificate.
   * Without `certPath` the certificate stays. ERR_CONFIG changes nothing.
   */
  async setTrust(tls: TlsConfig): Promise<void> {
    this.#checkOpen();
    await native(this.#native.setTrust(checkNewTls('tls', tls)));
  }

  /** Trusts one more peer from now on. After the first pin only pinned peers are trusted, even on this machine. */
  pinPeer(fingerprint: string): void {
    this.#checkOpen();
    const peer = checkFingerprint('fingerprint', fingerprint);
    nativeNow(() => this.#native.pinPeer(peer));
  }

  /** Stops trusting a peer and closes its connections; false if it was not pinned. */
  unpinPeer(fingerprint: string): boolean {
    this.#checkOpen();
    const peer = checkFingerprint('fingerprint', fingerprint);
    return nativeNow(() => this.#native.unpinPeer(peer));
  }

  /**
   * Sends a message after all earlier ones for this address and streamId. Resolves once the application there has taken
   * it, by a handler or by `receive`; until then it waits.
   *
   * `address` is `host:port`, or the address that a handler got: the peer is then reached over its own connection.
   *
   * ERR_LIMIT for more than 64 MiB, before anything is sent. ERR_TRUST, ERR_PEER_UNREACHABLE and ERR_CLOSED if it could
   * not be delivered; the error says whether it may have arrived. Nothing is sent twice.
   */
  async send(address: string, message: AgentMessage, options?: CallOptions): Promise<void> {
    this.#checkOpen();
    const [to, record] = [checkText('address', address), checkMessage('message', message)];
    return this.#call(options, (timeoutMs, cancellation) => this.#native.send(to, record, timeoutMs, cancellation));
  }

  /** Sends messages in order. Rejects with the first failure; other messages may have arrived. */
  async sendBatch(address: string, messages: AgentMessage[], options?: CallOptions): Promise<void> {
    this.#checkOpen();
    const to = checkText('address', address);
    if (!Array.isArray(messages)) throw wrongType('messages', 'an array of AgentMessages', messages);
    const records = messages.map((message, index) => checkMessage(`messages[${index}]`, message));
    await this.#call(options, (timeoutMs, cancellation) =>
      Promise.all(records.map((record) => this.#native.send(to, record, timeoutMs, cancellation))),
    );
  }

  /**
   * Sends a message and resolves to its answer: the message that a handler there returns. If it returns none, a later
   * message on the same streamId answers: one with the request's id, else one that no handler and no `receive` here
   * takes.
   *
   * Errors as of `send`; ERR_HANDLER if the handler there threw.
   */
  async request(address: string, message: AgentMessage, options?: CallOptions): Promise<AgentMessage> {
    this.#checkOpen();
    const [to, record] = [checkText('address', address), checkMessage('message', message)];
    return messageOf(
      await this.#call(options, (timeoutMs, cancellation) =>
        this.#native.request(to, record, timeoutMs, cancellation),
      ),
    );
  }

  /**
   * The next message with this streamId (or without one) from an address that was dialled, or that a handler got.
   * Excludes messages that a handler takes.
   */
  async receive(address: string, streamId?: string | number, options?: CallOptions): Promise<AgentMessage> {
    this.#checkOpen();
    const [from, { stream }] = [checkText('address', address), checkStreamId('streamId', streamId)];
    return messageOf(
      await this.#call(options, (timeoutMs, cancellation) =>
        this.#native.receive(from, stream, timeoutMs, cancellation),
      ),
    );
  }

  /**
   * Accepts messages on this port, 0 for any free one; resolves to the bound address. Defaults: QUIC_PORT, else 4433;
   * QUIC_HOST, else 127.0.0.1.
   */
  async listen(port?: number, host?: string): Promise<string> {
    this.#checkOpen();
    const [wanted, on] = [checkOptionalInteger('port', port, 0, 65_535), checkOptionalText('host', host)];
    const bound = await native(this.#native.listen(on, wanted));
    this.#checkOpen();
    // Like any server: the timer never has to fire, it keeps the process and this object alive.
    this.#processRef ??= setInterval(() => this.#native, LONGEST_TIMER_MS);
    return bound;
  }

  /**
   * Calls `handler` for each message, in order: for those with this streamId, or for all. Every matching handler is
   * called, those for the streamId first; the first message that one returns answers a request, with the streamId of the
   * request. A stream waits while 64 of its messages are being handled.
   *
   * Returns a function that removes the handler.
   */
  onMessage(handler: InboundMessageHandler, options?: { streamId?: string | number }): () => void {
    this.#checkOpen();
    if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
    const { streamId } = checkOptions<{ streamId?: string | number }>('options', options, ['streamId']);
    const stream = streamId === undefined ? undefined : checkStreamId('options.streamId', streamId).stream;
    return this.#handlers.add(handler, stream);
  }

  /** Statistics of outgoing connections and waiting messages. */
  async getStats(): Promise<TransportStatistics> {
    this.#checkOpen();
    return { ...this.#native.statistics(), ...this.#native.traffic() };
  }

  /** Fails pending calls with ERR_CLOSED and closes the sockets. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `await using` closes. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await native(this.#native.close());
    if (this.#processRef !== null) clearInterval(this.#processRef);
  }

  async #call<T>(
    options: unknown,
    work: (timeoutMs: number | undefined, cancellation: NativeCancellation | undefined) => Promise<T>,
  ): Promise<T> {
    const given = checkOptions<CallOptions>('options', options, ['signal', 'timeoutMs']);
    const timeoutMs = checkOptionalInteger('options.timeoutMs', given.timeoutMs, 1, DAY_MS);
    const signal = checkSignal('options.signal', given.signal);
    return abortable(signal, (cancellation) => native(work(timeoutMs, cancellation)));
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw closedError('the transport', 'make a new one');
  }
}

codeMethods(QuicTransport);

const LONGEST_TIMER_MS = 2 ** 31 - 1;
