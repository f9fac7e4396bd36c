// Where the compiled addon of a platform may lie: beside this package, or where the program that runs it finds packages.
import { fs, nodeModule, path } from './builtins';
import { PACKAGE, fileOf, packageOf } from './platforms';

/** The folder of this file; in a bundle that of the bundle, one that does not exist, or none. */
const HERE = typeof __dirname === 'string' ? __dirname : undefined;

/** This package's version, unless it was taken into a bundle. */
export function ownVersion(): string | undefined {
  if (HERE === undefined) return undefined;
  const manifest = readManifest(path.join(HERE, '..', '..'));
  return manifest?.name === PACKAGE ? manifest.version : undefined;
}

/** The version of the package in whose folder a file lies. */
export function versionBeside(file: string): string | undefined {
  return readManifest(path.dirname(file))?.version;
}

/** The file of a platform's addon, if there is one, and whether it comes from the platform's package. */
export function findAddon(platform: string): { file: string; isPackaged: boolean } | undefined {
  const built = HERE === undefined ? undefined : path.join(HERE, '..', fileOf(platform));
  if (built !== undefined && fs.existsSync(built)) return { file: unpacked(built), isPackaged: false };
  const from = HERE === undefined ? undefined : path.join(HERE, 'places.js');
  const file = resolved(platform, from) ?? foundBeside(platform) ?? resolved(platform, process.argv[1]);
  return file === undefined ? undefined : { file: unpacked(file), isPackaged: true };
}

// As Node finds packages: also nested ones, those of Yarn's Plug'n'Play, and from the started program where this file is
// in a bundle.
function resolved(platform: string, from: string | undefined): string | undefined {
  try {
    const require = nodeModule.createRequire(from as string);
    return require.resolve(`${packageOf(platform)}/${fileOf(platform)}`);
  } catch {
    return undefined;
  }
}

function foundBeside(platform: string): string | undefined {
  try {
    return (require('./beside') as typeof import('./beside')).beside(platform);
  } catch {
    // A bundle of ES modules has no `require`, and then no folder either.
    return undefined;
  }
}

// Electron packs an application into a file, and what is to be loaded from the disk into a folder beside it.
function unpacked(file: string): string {
  const outside = file.replace(/([\\/][^\\/]+\.asar)(?=[\\/])/, '$1.unpacked');
  return fs.existsSync(outside) ? outside : file;
}

function readManifest(folder: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
}
