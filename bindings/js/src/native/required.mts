// The first import of the ES modules that are nothing without the addon. It throws what loading them would throw: Node 20
// ends the process where a CommonJS module throws while an ES module imports it, even if the program catches the error.
import { addonFault } from './loader.js';

const fault = addonFault();
if (fault !== undefined) throw fault;
