// Handlers of incoming messages, called from the addon.
import { type Thrown, messageOf as textOfThrown } from '../check/thrown';
import { warnOfHandler } from '../lifecycle/process-warning';
import type { DeliveryRecord, MessageRecord, NativeTransport } from '../native/native';
import { type AgentMessage, checkMessage, isAnswer, messageOf } from './agent-message';

/** Handles a message. A message that it returns or resolves to answers a request; `address` leads back to the peer. */
export type InboundMessageHandler = (
  address: string,
  message: AgentMessage,
) => void | AgentMessage | Promise<void | AgentMessage>;

interface Registered {
  readonly handler: InboundMessageHandler;
  /** The stream's name; undefined for all streams. */
  readonly stream: string | undefined;
}

/** The handlers of one transport. What they throw is sent to the requesting peer, or without a request emitted as a
 *  process warning. @internal */
export class MessageHandlers {
  readonly #registered = new Set<Registered>();
  // The addon holds `dispatch` strongly: a transport that nobody else refers to must not live on because of it.
  #transport: WeakRef<NativeTransport> | null = null;

  /** Called by the addon, which acknowledges the message once this has returned. */
  readonly dispatch = (delivery: DeliveryRecord): void => {
    const handlers = this.#handlersOf(delivery.message.stream);
    if (handlers.length === 0) {
      // The last handler was removed while the message was on its way.
      this.#transport?.deref()?.putBack(delivery);
      return;
    }
    void this.#handle(delivery, handlers);
  };

  attach(transport: NativeTransport): void {
    this.#transport = new WeakRef(transport);
  }

  /** Returns a function that removes the handler. */
  add(handler: InboundMessageHandler, stream: string | undefined): () => void {
    const registered = { handler, stream };
    this.#registered.add(registered);
    this.#transport?.deref()?.subscribe(stream);
    return () => {
      if (this.#registered.delete(registered)) this.#transport?.deref()?.unsubscribe(stream);
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
    const settle = (answer?: AgentMessage, failure?: Thrown): void => {
      if (settled) return;
      // An answer uses the stream of its request.
      const { stream, streamForm } = record;
      const sent = answer && { ...checkMessage('the answer', answer), stream, streamForm };
      settled = true;
      this.#transport?.deref()?.settle(number, sent, failure && textOf(failure));
    };
    const failures: Thrown[] = [];
    for (const returned of this.#call(address, record, handlers)) {
      try {
        const answer = await returned;
        if (isAnswer(answer) && wantsAnswer) settle(answer);
      } catch (thrown) {
        failures.push({ thrown });
      }
    }
    const unheard = settled || !wantsAnswer ? failures : failures.slice(1);
    settle(undefined, failures[0]);
    for (const { thrown } of unheard) warnOfHandler('a message handler threw', thrown);
  }

  // All are called in the same turn: the next message must not overtake this one in any of them.
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
      // Handled later, where it is awaited.
      returned.catch(() => {});
      return returned;
    });
  }
}

function textOf({ thrown }: Thrown): string {
  const text = textOfThrown(thrown);
  return text === '' ? 'the handler threw an empty message' : wellFormed(text);
}

// The addon rejects lone surrogates.
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
