// Loads the compiled addon: in dist/ where it was built from source, else from the platform's own package.
import { faultOf } from './addon-file';
import { nodeModule } from './builtins';
import type * as Native from './native';
import { findAddon, ownVersion, versionBeside } from './places';
import { PACKAGE, candidates, packageOf } from './platforms';
import { inThisRealm } from './realm';
import { addonError } from './way-out';

/** The addon's exports, loaded at the first call.
 *  @throws VectrError ERR_ADDON if it is not installed, damaged, for another platform, or out of reach of a bundle: the
 *  message says which, and the way out. */
export function loadAddon(): typeof Native {
  loaded ??= inThisRealm(load());
  return loaded;
}

/** What `loadAddon` throws, or undefined. */
export function addonFault(): unknown {
  try {
    loadAddon();
    return undefined;
  } catch (error) {
    return error;
  }
}

let loaded: typeof Native | undefined;

function load(): typeof Native {
  const faults = new Map<string, Error>();
  for (const platform of candidates()) {
    const found = findAddon(platform);
    if (found === undefined) continue;
    try {
      if (found.isPackaged) checkVersion(packageOf(platform), versionBeside(found.file));
      return loadFile(found.file);
    } catch (error) {
      faults.set(platform, error as Error);
    }
  }
  throw addonError(faults);
}

function loadFile(file: string): typeof Native {
  const fault = faultOf(file);
  if (fault !== undefined) throw new Error(`the compiled addon ${file} is damaged: ${fault}`);
  try {
    // Not this file's own `require`: no bundler may look for the addon while it builds.
    return nodeModule.createRequire(file)(file);
  } catch (error) {
    throw new Error(`the compiled addon ${file} does not load: ${(error as Error).message}`, { cause: error });
  }
}

/** Facade and addon talk in a way that changes between versions: both must come from one. */
function checkVersion(name: string, version: string | undefined): void {
  const own = ownVersion();
  // A bundle has no version of its own, and what is deployed file by file may lack the package.json.
  if (own === undefined || version === undefined || version === own) return;
  throw new Error(`the compiled addon ${name} has version ${version}, and ${PACKAGE} ${own}`);
}
