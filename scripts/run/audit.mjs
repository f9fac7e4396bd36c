// Advisories about npm packages. What runs in users' programs must have none; what only builds and tests none that is high or
// critical: it never sees data of a user, and most of what is reported of it concerns servers and browsers.
import { spawnSync } from 'node:child_process';
import { root, StepFailure } from './step.mjs';

/**
 * Advisories that do not concern us: { id, reason, until }. `id` is the number or the GHSA address that npm prints, `until` the
 * day (YYYY-MM-DD) from which on it counts again.
 */
const ACCEPTED = [];

const FAILING = { run: ['info', 'low', 'moderate', 'high', 'critical'], development: ['high', 'critical'] };

/** Fails for an advisory that counts. Where the registry cannot be asked, says so. */
export function audit() {
  for (const [use, flags] of [['run', ['--omit=dev']], ['development', []]]) {
    const { stdout } = spawnSync('npm', ['audit', '--json', '--offline=false', '--fetch-timeout=20000', '--fetch-retries=0', ...flags], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: 60_000,
      shell: process.platform === 'win32',
    });
    const found = judge(use, stdout, ACCEPTED, new Date().toISOString().slice(0, 10));
    found.lines.forEach((line) => console.log(line));
    if (found.failing > 0) throw new StepFailure(`${found.failing} advisories about packages for ${use}: docs/dependencies.md says how they are judged`);
  }
}

/**
 * What npm's report means for packages of this use, 'run' or 'development': lines for people, and how many advisories fail the
 * build. `accepted` as ACCEPTED, `today` as its days.
 */
export function judge(use, report, accepted, today) {
  const { metadata, vulnerabilities, message, error } = parse(report);
  if (!metadata || !vulnerabilities) {
    return { failing: 0, lines: [`packages for ${use}: left out, npm's advisories cannot be asked (${error?.summary || message || 'no answer'})`] };
  }
  // A package is also listed for what it depends on, by name.
  const advisories = new Map(
    Object.values(vulnerabilities).flatMap(({ via }) => via).filter((via) => typeof via === 'object').map((via) => [via.source, via]),
  );
  const isAccepted = ({ source, url }) =>
    accepted.some(({ id, until }) => (id === source || id === url) && today < until);
  const counted = [...advisories.values()].filter((advisory) => !isAccepted(advisory));
  const failing = counted.filter(({ severity }) => FAILING[use].includes(severity));
  const lines = counted.map(({ name, severity, title, url }) => `${severity}: ${name}: ${title} (${url})`);
  return { failing: failing.length, lines: [...lines, `packages for ${use}: ${counted.length} advisories, ${failing.length} of which count`] };
}

function parse(report) {
  try {
    return JSON.parse(report) ?? {};
  } catch {
    return {};
  }
}
