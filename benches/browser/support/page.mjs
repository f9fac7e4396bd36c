// What the page runs: measures, and leaves the figures in `globalThis.result`.
import * as msgpack from '@msgpack/msgpack';
import { Packr } from 'msgpackr';
import * as api from '/dist/delta.browser.mjs';
import { measure } from '../../node/support/delta-speed.mjs';

const DIMENSIONS = 384;

if (!crossOriginIsolated) throw new Error('the page is not isolated: its clock is too coarse');
const response = await fetch('/examples/data/phrases-6k-384.f32');
const embeddings = new Float32Array(await response.arrayBuffer());

const started = performance.now();
api.VersionVector.compare(new Map(), new Map());
const firstUse = performance.now() - started;

// Of bytes a page has only hashes that are waited for: the hashed contender is left out.
const medians = measure({ api, Packr, msgpack, embeddings, dimensions: DIMENSIONS });
globalThis.result = { firstUse, medians, dimensions: DIMENSIONS };
