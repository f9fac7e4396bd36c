// How an engine reaches its peers, and whom it trusts.
import { VectrError, wrongKind } from './error';
import type { NetworkOptions } from './native';
import { DAY_MS, MAX_U32, checkOptionalInteger } from './number';
import { checkFlag, checkOptions } from './options';
import { checkFingerprint, checkOptionalText } from './text';

/** Whom to trust. Nothing given: this machine only (loopback addresses). */
export interface TlsConfig {
  /** Not in this version: ERR_CONFIG. */
  certPath?: string;
  /** Not in this version: ERR_CONFIG. */
  keyPath?: string;
  /** Not in this version: ERR_CONFIG. */
  caPath?: string;
  /** SHA-256 of the certificates of the only peers to trust, 64 hexadecimal digits each. An empty list: nobody. */
  pinnedFingerprints?: string[];
  /** Not in this version: ERR_CONFIG. */
  clusterSecret?: string;
  /** Anyone who reaches this node may read and write all its shards. */
  dangerousAcceptAnyPeer?: boolean;
}

export interface QuicTransportConfig {
  /** The TLS server name to send. Peers are known by fingerprint, so it decides nothing. Default: 'localhost'. */
  serverName?: string;
  /** For a whole attempt, name look-up included; then ERR_PEER_UNREACHABLE. Default: 5000. */
  connectTimeoutMs?: number;
  /** After how much silence a connection is dead; at least 1000. Default: 30000. */
  maxIdleTimeoutMs?: number;
  /** Streams that a peer may have open on one connection, at least 1. Default: 100. */
  maxConcurrentStreams?: number;
  /** Connections, at least 1. Default: 100. */
  maxConnections?: number;
  /** Default: true. */
  enable0Rtt?: boolean;
  tls?: TlsConfig;
}

/** The addon's form. */
export function checkTransportConfig(config: unknown): NetworkOptions {
  const given = checkOptions<QuicTransportConfig>('quicConfig', config, KEYS);
  return {
    serverName: checkOptionalText('quicConfig.serverName', given.serverName),
    connectTimeoutMs: checkOptionalInteger('quicConfig.connectTimeoutMs', given.connectTimeoutMs, 1, DAY_MS),
    maxIdleTimeoutMs: checkOptionalInteger('quicConfig.maxIdleTimeoutMs', given.maxIdleTimeoutMs, 1000, DAY_MS),
    maxConcurrentStreams: checkOptionalInteger(
      'quicConfig.maxConcurrentStreams',
      given.maxConcurrentStreams,
      1,
      MAX_U32,
    ),
    maxConnections: checkOptionalInteger('quicConfig.maxConnections', given.maxConnections, 1, MAX_U32),
    enable0Rtt: checkFlag('quicConfig.enable0Rtt', given.enable0Rtt),
    ...checkTls(given.tls),
  };
}

function checkTls(config: unknown): Pick<NetworkOptions, 'pinnedFingerprints' | 'dangerousAcceptAnyPeer'> {
  const given = checkOptions<TlsConfig>('quicConfig.tls', config, TLS_KEYS);
  const missing = NOT_BUILT.find((key) => given[key] !== undefined);
  if (missing !== undefined) {
    // Ignoring it would leave the user with less protection than was asked for.
    throw new VectrError(
      'ERR_CONFIG',
      `quicConfig.tls.${missing} is not supported in this version: use tls.pinnedFingerprints`,
    );
  }
  return {
    pinnedFingerprints: checkPins(given.pinnedFingerprints),
    dangerousAcceptAnyPeer: checkFlag('quicConfig.tls.dangerousAcceptAnyPeer', given.dangerousAcceptAnyPeer) ?? false,
  };
}

function checkPins(pins: unknown): string[] | undefined {
  if (pins === undefined) return undefined;
  const name = 'quicConfig.tls.pinnedFingerprints';
  if (!Array.isArray(pins)) throw wrongKind(name, 'an array of fingerprints', pins);
  return pins.map((pin, index) => checkFingerprint(`${name}[${index}]`, pin));
}

const NOT_BUILT = ['certPath', 'keyPath', 'caPath', 'clusterSecret'] as const;

const TLS_KEYS: ReadonlyArray<keyof TlsConfig> = [...NOT_BUILT, 'pinnedFingerprints', 'dangerousAcceptAnyPeer'];

const KEYS: ReadonlyArray<keyof QuicTransportConfig> = [
  'serverName',
  'connectTimeoutMs',
  'maxIdleTimeoutMs',
  'maxConcurrentStreams',
  'maxConnections',
  'enable0Rtt',
  'tls',
];
