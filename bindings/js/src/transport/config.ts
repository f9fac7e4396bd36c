// The network configuration: connections and trust.
import { coded } from '../check/coded';
import { wrongType } from '../check/error';
import { DAY_MS, MAX_U32, checkOptionalInteger } from '../check/number';
import { checkFlag, checkOptions } from '../check/options';
import { checkFingerprint, checkOptionalText, checkText } from '../check/text';
import type { NetworkOptions, TlsOptions } from '../native/native';

/**
 * Which peers to trust, and this node's certificate. Default: peers on this machine only (loopback addresses). A peer's
 * certificate is accepted if it is pinned or issued by the authority. With a cluster secret the peer must also prove it;
 * a secret alone accepts any certificate. Missing fields are read from the environment (QUIC_CERT_PATH, ...).
 */
export interface TlsConfig {
  /** This node's certificate chain, a PEM file that starts with its own. Default: self-signed. */
  certPath?: string;
  /** The key of that certificate, a PEM file: Ed25519, ECDSA P-256 or P-384, RSA. */
  keyPath?: string;
  /** A PEM file with the cluster's certificate authorities. Their certificates are trusted, whatever names they have. */
  caPath?: string;
  /** SHA-256 of certificates to trust, 64 hexadecimal digits each. An empty list trusts no peer by pin. */
  pinnedFingerprints?: string[];
  /** At least 16 bytes, preferably 32 random ones; during a rotation several, any of which is accepted. */
  clusterSecret?: string | string[];
  /**
   * What trusted peers may do with which shards, by fingerprint, by DNS name in a certificate of the authority, or '*'
   * for every peer. A peer without an entry may do nothing. Default: every trusted peer may do everything.
   */
  rights?: Record<string, ShardRights>;
  /** Accepts any certificate: without a cluster secret, whoever reaches this node reads and writes all its shards. */
  dangerousAcceptAnyPeer?: boolean;
}

/** Ids of shards; '*' for all. */
export interface ShardRights {
  read?: string[];
  /** To read and write. */
  write?: string[];
}

export interface QuicTransportConfig {
  /** The TLS server name to send. Names play no part in trust. Default: 'localhost'. */
  serverName?: string;
  /** Milliseconds for a whole attempt, including name look-up; then ERR_PEER_UNREACHABLE. Default: 5000. */
  connectTimeoutMs?: number;
  /** Milliseconds of silence after which a connection is lost; at least 1000. Default: 30000. */
  maxIdleTimeoutMs?: number;
  /**
   * Maximum number of streams that a peer may open on one connection, at least 1; over QUIC those of shards that sync come on
   * top. Default: QUIC_MAX_STREAMS, else 100.
   */
  maxConcurrentStreams?: number;
  /** Maximum number of connections, at least 1. Default: QUIC_MAX_CONNECTIONS, else 100. */
  maxConnections?: number;
  /** Default: true. */
  enable0Rtt?: boolean;
  /** Whether to use UDP. Otherwise only the fallback is used. Default: AGENTIC_FLOW_ENABLE_QUIC, else true. */
  enableQuic?: boolean;
  /** Whether to fall back to TLS over TCP, at the same port, if UDP is blocked. Default: true. */
  enableFallback?: boolean;
  tls?: TlsConfig;
}

/** The addon's form. @internal */
export function checkTransportConfig(config: unknown): NetworkOptions {
  try {
    return checkNetwork(config);
  } catch (error) {
    throw coded(error, 'quicConfig');
  }
}

function checkNetwork(config: unknown): NetworkOptions {
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
    enableQuic: checkFlag('quicConfig.enableQuic', given.enableQuic),
    enableFallback: checkFlag('quicConfig.enableFallback', given.enableFallback),
    tls: checkTls('quicConfig.tls', given.tls),
  };
}

/** The addon's form of a `TlsConfig` that replaces another: a missing argument must not reset the trust
 *  settings. @internal */
export function checkNewTls(name: string, config: unknown): TlsOptions {
  if (config === undefined) throw wrongType(name, 'an object', config);
  return checkTls(name, config);
}

function checkTls(name: string, config: unknown): TlsOptions {
  const given = checkOptions<TlsConfig>(name, config, TLS_KEYS);
  const { clusterSecret = [] } = given;
  return {
    certPath: checkOptionalText(`${name}.certPath`, given.certPath),
    keyPath: checkOptionalText(`${name}.keyPath`, given.keyPath),
    caPath: checkOptionalText(`${name}.caPath`, given.caPath),
    pinnedFingerprints: checkPins(`${name}.pinnedFingerprints`, given.pinnedFingerprints),
    clusterSecrets: checkTexts(`${name}.clusterSecret`, typeof clusterSecret === 'string' ? [clusterSecret] : clusterSecret),
    rights: checkRights(`${name}.rights`, given.rights),
    dangerousAcceptAnyPeer: checkFlag(`${name}.dangerousAcceptAnyPeer`, given.dangerousAcceptAnyPeer) ?? false,
  };
}

// Loops here and below: a callback would take two of the ten frames of an error's stack.
function checkPins(name: string, pins: unknown): string[] | undefined {
  if (pins === undefined) return undefined;
  if (!Array.isArray(pins)) throw wrongType(name, 'an array of fingerprints', pins);
  const checked: string[] = [];
  for (const [index, pin] of pins.entries()) checked.push(checkFingerprint(`${name}[${index}]`, pin));
  return checked;
}

function checkTexts(name: string, texts: unknown): string[] {
  if (!Array.isArray(texts)) throw wrongType(name, 'an array of strings', texts);
  for (const [index, text] of texts.entries()) checkText(`${name}[${index}]`, text);
  return texts;
}

function checkRights(name: string, rights: unknown): TlsOptions['rights'] {
  if (rights === undefined) return undefined;
  if (typeof rights !== 'object' || rights === null || Array.isArray(rights)) throw wrongType(name, 'an object', rights);
  const checked: [string, Required<ShardRights>][] = [];
  for (const [peer, grant] of Object.entries(rights)) {
    const of = `${name}['${peer}']`;
    const { read = [], write = [] } = checkOptions<ShardRights>(of, grant, ['read', 'write']);
    checked.push([peer, { read: checkTexts(`${of}.read`, read), write: checkTexts(`${of}.write`, write) }]);
  }
  return Object.fromEntries(checked);
}

const TLS_KEYS: ReadonlyArray<keyof TlsConfig> = [
  'certPath',
  'keyPath',
  'caPath',
  'pinnedFingerprints',
  'clusterSecret',
  'rights',
  'dangerousAcceptAnyPeer',
];

const KEYS: ReadonlyArray<keyof QuicTransportConfig> = [
  'serverName',
  'connectTimeoutMs',
  'maxIdleTimeoutMs',
  'maxConcurrentStreams',
  'maxConnections',
  'enable0Rtt',
  'enableQuic',
  'enableFallback',
  'tls',
];
