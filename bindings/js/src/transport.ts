// Messages between agents: `@agentic-flow/sqlite-vector/transport`.
export type { AbortSignalLike } from './abort';
export { type AgentMessage, MAX_MESSAGE_BYTES } from './agent-message';
export { VectrError } from './error';
export type { InboundMessageHandler } from './message-handlers';
export { type CallOptions, QuicTransport, type TransportStatistics } from './quic-transport';
export type { PoolStatistics } from './session';
export type { QuicTransportConfig, ShardRights, TlsConfig } from './transport-config';
