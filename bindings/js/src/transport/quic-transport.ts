// Messages between agents over QUIC.
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
  /** Ends the call with ERR_ABORTED. What was sent already may arrive all the same. */
  signal?: AbortSignalLike;
  /** After this many milliseconds: ERR_TIMEOUT. Default: no limit. */
  timeoutMs?: number;
}

/** Connections made from here, and what waits. */
export interface TransportStatistics extends PoolStatistics {
  /** Bytes of messages given to `send` and `request` that are not settled yet. */
  outgoingBytes: number;
  /** Bytes of messages that came and that nobody has taken. */
  incomingBytes: number;
  /** Streams ever opened for messages. */
  streams: number;
}

/**
 * Sends messages to other agents, and takes theirs: in order within a streamId, acknowledged once the other
 * application has them, at its pace. After `close` every method fails with ERR_CLOSED. A listening transport keeps the
 * process alive until it is closed.
 */
export class QuicTransport {
  readonly #native: NativeTransport;
  readonly #handlers: MessageHandlers;
  #processRef: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  /** A transport with an identity of its own, made anew each time. No socket is opened before the first use. */
  static async create(config?: QuicTransportConfig): Promise<QuicTransport> {
    const network = checkTransportConfig(config);
    const handlers = new MessageHandlers();
    return new QuicTransport(await native(addon.NativeTransport.open(network, handlers.dispatch)), handlers);
  }

  /** Transports are made with `QuicTransport.create`: this throws a TypeError. */
  constructor(transport?: unknown, handlers?: unknown) {
    if (!(transport instanceof addon.NativeTransport) || !(handlers instanceof MessageHandlers))
      throw argumentError('a transport is made with await QuicTransport.create(config)');
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
   * Replaces whom this node trusts and what it shows, as `create` reads it, with the files read anew. Counts at once:
   * peers that are trusted no longer are cut off; a new certificate is shown on every new connection, and without
   * `certPath` the last one stays. ERR_CONFIG changes nothing.
   */
  async setTrust(tls: TlsConfig): Promise<void> {
    this.#checkOpen();
    await native(this.#native.setTrust(checkNewTls('tls', tls)));
  }

  /** Trusts one more peer at once. From the first pin on only pinned peers are trusted, on this machine as well. */
  pinPeer(fingerprint: string): void {
    this.#checkOpen();
    const peer = checkFingerprint('fingerprint', fingerprint);
    nativeNow(() => this.#native.pinPeer(peer));
  }

  /** Trusts a peer no longer, and closes its connections at once; false where it was not pinned. */
  unpinPeer(fingerprint: string): boolean {
    this.#checkOpen();
    const peer = checkFingerprint('fingerprint', fingerprint);
    return nativeNow(() => this.#native.unpinPeer(peer));
  }

  /**
   * Sends a message behind all that were given for this address and streamId before. Resolves once the application
   * there has it: a handler, or whoever receives. While nobody takes it, it waits.
   *
   * `address` is `host:port`, or what a handler got: the peer is then reached over the connection that it made.
   *
   * ERR_LIMIT for more than 64 MiB, before anything is sent. ERR_TRUST, ERR_PEER_UNREACHABLE and ERR_CLOSED for what
   * could not be delivered; the error says so where it may have arrived. Nothing is sent twice.
   */
  async send(address: string, message: AgentMessage, options?: CallOptions): Promise<void> {
    this.#checkOpen();
    const [to, record] = [checkText('address', address), checkMessage('message', message)];
    return this.#call(options, (timeoutMs, cancellation) => this.#native.send(to, record, timeoutMs, cancellation));
  }

  /** Sends messages in their order. Rejects as the first one that failed; others may have arrived. */
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
   * Sends a message and resolves to its answer: what a handler there returns. Where it returns nothing, a message that
   * comes back on the same streamId answers: one with the request's id, else one that no handler and no `receive` here
   * waits for.
   *
   * As `send`; ERR_HANDLER where the handler there threw.
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
   * The next message with this streamId (left out: of those without one) from an address: one that was dialled, or one
   * that a handler got. Messages that a handler takes do not come here.
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
   * Takes messages on this port too, 0 for any free one; resolves to the bound address. Defaults: QUIC_PORT, else 4433;
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
   * Calls `handler` for each message, in their order: for those with this streamId, or for all. Every handler that fits
   * is called, those for the streamId first; the first message that one returns answers a request. An answer travels
   * with the streamId of its request. A stream waits while 64 of its messages are being handled.
   *
   * Returns what takes the handler away again.
   */
  onMessage(handler: InboundMessageHandler, options?: { streamId?: string | number }): () => void {
    this.#checkOpen();
    if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
    const { streamId } = checkOptions<{ streamId?: string | number }>('options', options, ['streamId']);
    const stream = streamId === undefined ? undefined : checkStreamId('options.streamId', streamId).stream;
    return this.#handlers.add(handler, stream);
  }

  /** The connections made from here, and what waits. */
  async getStats(): Promise<TransportStatistics> {
    this.#checkOpen();
    return { ...this.#native.statistics(), ...this.#native.traffic() };
  }

  /** Fails what is pending with ERR_CLOSED, and lets go of the sockets. Again: does nothing. */
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

const LONGEST_TIMER_MS = 2 ** 31 - 1;
