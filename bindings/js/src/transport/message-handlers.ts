// Handlers of incoming messages, called from the addon.
import type { DeliveryRecord, MessageRecord, NativeTransport } from '../native/native';
import { type AgentMessage, checkMessage, isAnswer, messageOf } from './agent-message';

/** Takes a message. A message that it returns, or resolves to, answers a request; `address` leads back to the peer. */
export type InboundMessageHandler = (
  address: string,
  message: AgentMessage,
) => void | AgentMessage | Promise<void | AgentMessage>;

interface Registered {
  readonly handler: InboundMessageHandler;
  /** The text of a stream's name; all streams without one. */
  readonly stream: string | undefined;
}

/** The handlers of one transport. What they throw reaches who asked; where nobody did, it is a process warning.
 *  @internal */
export class MessageHandlers {
  readonly #registered = new Set<Registered>();
  #transport: NativeTransport | null = null;

  /** For the addon, which takes the message as taken when this has returned. */
  readonly dispatch = (delivery: DeliveryRecord): void => {
    const handlers = this.#handlersOf(delivery.message.stream);
    if (handlers.length === 0) {
      // The last one was taken away while the message was on its way here.
      this.#transport?.putBack(delivery);
      return;
    }
    void this.#handle(delivery, handlers);
  };

  attach(transport: NativeTransport): void {
    this.#transport = transport;
  }

  /** Returns what takes the handler away again. */
  add(handler: InboundMessageHandler, stream: string | undefined): () => void {
    const registered = { handler, stream };
    this.#registered.add(registered);
    this.#transport?.subscribe(stream);
    return () => {
      if (this.#registered.delete(registered)) this.#transport?.unsubscribe(stream);
    };
  }

  #handlersOf(stream: string): InboundMessageHandler[] {
    const all = [...this.#registered];
    const own = all.filter((registered) => registered.stream === stream);
    const general = all.filter((registered) => registered.stream === undefined);
    return [...own, ...general].map(({ handler }) => handler);
  }

  async #handle({ number, address, wantsAnswer, message: record }: DeliveryRecord, handlers: InboundMessageHandler[]) {
    let settled = false;
    const settle = (answer?: AgentMessage, failure?: unknown): void => {
      if (settled) return;
      // A handler's answer travels on the stream of what it answers.
      const { stream, streamForm } = record;
      const sent = answer && { ...checkMessage('the answer', answer), stream, streamForm };
      settled = true;
      this.#transport?.settle(number, sent, failure === undefined ? undefined : textOf(failure));
    };
    const failures: unknown[] = [];
    for (const returned of this.#call(address, record, handlers)) {
      try {
        const answer = await returned;
        if (isAnswer(answer) && wantsAnswer) settle(answer);
      } catch (error) {
        failures.push(error);
      }
    }
    const unheard = settled || !wantsAnswer ? failures : failures.slice(1);
    settle(undefined, failures[0]);
    unheard.forEach(warn);
  }

  // All are called at once: the next message must not overtake this one at any of them.
  #call(address: string, record: MessageRecord, handlers: InboundMessageHandler[]): Array<Promise<unknown>> {
    let message: AgentMessage;
    try {
      message = messageOf(record);
    } catch (error) {
      return [Promise.reject(error)];
    }
    return handlers.map((handler) => {
      let returned: Promise<unknown>;
      try {
        returned = Promise.resolve(handler(address, message));
      } catch (error) {
        returned = Promise.reject(error);
      }
      // It is heard later, when it is awaited.
      returned.catch(() => {});
      return returned;
    });
  }
}

function textOf(failure: unknown): string {
  const text = failure instanceof Error ? failure.message : String(failure);
  return text === '' ? 'it threw without a word' : wellFormed(text);
}

// Lone surrogates would end the crossing.
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

function warn(error: unknown): void {
  const detail = error instanceof Error ? error.stack : String(error);
  process.emitWarning('a message handler threw', { type: 'VectrHandlerWarning', code: 'ERR_HANDLER', detail });
}
