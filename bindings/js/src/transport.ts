// Messages between agents: `@agentic-flow/sqlite-vector/transport`.
export type { AbortSignalLike } from './lifecycle/abort';
export { type AgentMessage, MAX_MESSAGE_BYTES } from './transport/agent-message';
export { VectrError } from './check/error';
export type { InboundMessageHandler } from './transport/message-handlers';
export { type CallOptions, QuicTransport, type TransportStatistics } from './transport/quic-transport';
export type { PoolStatistics } from './sync/session';
export type { QuicTransportConfig, ShardRights, TlsConfig } from './transport/config';
