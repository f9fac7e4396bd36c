// Who wins, and what a conflict is.
import { A, B, C, exactly } from './fixtures.mjs';

export function resolving(test, { api: { ConflictResolver }, assert, change, removal, fails }) {
  const seen = (site, seq, timestamp, sees, fields) =>
    change(site, seq, timestamp, { versionVector: new Map([...sees, [site, seq]]), ...fields });

  test('a change that has seen the other one wins, whatever its timestamp and side', () => {
    const old = change(A, 1, 900);
    const later = seen(B, 1, 100, [[A, 1]]);
    for (const strategy of ['last-write-wins', 'first-write-wins', 'merge', 'manual']) {
      const resolver = new ConflictResolver(strategy);
      for (const [local, remote] of [[old, later], [later, old]]) {
        const { winner, conflict } = resolver.resolve(local, remote);
        assert.ok(winner === later, 'the very object');
        assert.equal(conflict, undefined);
      }
    }
  });
  test('concurrent changes are a conflict, and both sides see the same winner', () => {
    const [one, two] = [change(A, 1, 10), change(B, 1, 20)];
    for (const [strategy, expected] of [['last-write-wins', two], ['first-write-wins', one], ['manual', two]]) {
      const resolver = new ConflictResolver(strategy);
      const [here, there] = [resolver.resolve(one, two), resolver.resolve(two, one)];
      assert.ok(here.winner === expected && there.winner === expected, strategy);
      assert.equal(here.conflict.id, there.conflict.id);
      assert.ok(/^[0-9a-f]{32}$/.test(here.conflict.id));
      assert.ok(here.conflict.localChange === two && here.conflict.remoteChange === one);
      assert.deepEqual(here.conflict.versions, [one, two]);
      assert.deepEqual([here.conflict.shardId, here.conflict.vectorId], ['s', 'v']);
      assert.ok(Math.abs(here.conflict.detectedAt - Date.now() * 1000) < 60e6);
    }
  });
  test('equal timestamps are decided by the site, then by the number, never by the side', () => {
    const [one, two] = [change(B, 1, 10), change(A, 9, 10)];
    const resolver = new ConflictResolver();
    assert.ok(resolver.resolve(one, two).winner === one);
    assert.ok(resolver.resolve(two, one).winner === one);
    const [plain, site] = [change('zoe', 1, 10), change('zoe@00000000000000ff', 2, 10)];
    assert.ok(resolver.resolve(plain, site).winner === plain, 'sites come before other keys');
  });
  test('names of one site are one key', () => {
    const renamed = 'anna@00000000000000aa';
    const [old, later] = [change(A, 1, 10), change(renamed, 2, 5)];
    assert.ok(new ConflictResolver().resolve(old, later).winner === later);
  });
  test('without a dot the entry of the source is the number', () => {
    const { dot: _, ...old } = change('ana', 1, 10);
    const { dot: __, ...later } = seen('bob', 1, 5, [['ana', 1]]);
    assert.ok(new ConflictResolver().resolve(old, later).winner === later);
    const lost = { ...old, sourceNode: 'eve' };
    fails('ERR_ARGUMENT', () => new ConflictResolver().resolve(lost, later), /local has no dot.*'eve'/);
  });
  test('the same change from both sides is one change, whose smaller id stays', () => {
    const [one, two] = [7, 3].map((id) => change(A, 1, 10, { id, metadata: { a: 1 } }));
    const { winner, conflict } = new ConflictResolver().resolve(one, two);
    assert.ok(winner === two);
    assert.equal(conflict, undefined);
  });
  test('one number with two contents has one winner on both sides, and is no conflict', () => {
    const one = change(A, 1, 10);
    for (const two of [
      change(A, 1, 10, { vector: Float32Array.of(1, 11) }),
      change(A, 1, 10, { metadata: { a: 1 } }),
      change(A, 1, 11, { vector: one.vector }),
      removal(A, 1, 10),
    ]) {
      const resolver = new ConflictResolver();
      const [here, there] = [resolver.resolve(one, two), resolver.resolve(two, one)];
      assert.ok(here.winner === there.winner);
      assert.ok(here.conflict === undefined && there.conflict === undefined);
    }
  });
  test('all versions of a vector meet before anything is decided', () => {
    const [one, two, three] = [change(A, 1, 10), change(B, 1, 20), seen(C, 1, 5, [[B, 1]])];
    const other = change(A, 2, 1, { vectorId: 'a' });
    const { resolved, conflicts } = new ConflictResolver().resolveAll([one, other, two], [three, one]);
    assert.deepEqual(resolved, [other, one], 'in the order of ids');
    assert.equal(conflicts.length, 1);
    assert.deepEqual(conflicts[0].versions, [three, one], 'two is superseded');
  });
  test('ids are in the order of their bytes', () => {
    const ids = ['🦊', '\uffee', 'é', 'z', 'Z'];
    const changes = ids.map((vectorId, index) => change(A, index + 1, 1, { vectorId }));
    const { resolved } = new ConflictResolver().resolveAll(changes, []);
    assert.deepEqual(resolved.map(({ vectorId }) => vectorId), ['Z', 'z', 'é', '\uffee', '🦊']);
  });
  test('a strategy counts from when it is set', () => {
    const [one, two] = [change(A, 1, 10), change(B, 1, 20)];
    const resolver = new ConflictResolver();
    resolver.setStrategy('first-write-wins');
    assert.ok(resolver.resolve(one, two).winner === one);
  });
  test('nothing on both sides is nothing', () => {
    assert.deepEqual(new ConflictResolver().resolveAll([], []), { resolved: [], conflicts: [] });
  });
  test('versions of two vectors or two shards are refused', () => {
    const resolver = new ConflictResolver();
    fails('ERR_ARGUMENT', () => resolver.resolve(change(A, 1, 1), change(A, 2, 1, { vectorId: 'w' })), /'w'/);
    const other = [change(A, 2, 1, { shardId: 't' })];
    fails('ERR_ARGUMENT', () => resolver.resolve(change(A, 1, 1), other[0]), /remote\.shardId/);
    fails('ERR_ARGUMENT', () => resolver.resolveAll([change(A, 1, 1)], other), /remote\[0\]\.shardId/);
  });
}

export function vectorless(test, { api: { ConflictResolver, Delta, DeltaEncoder }, assert, change, fails }) {
  const { vector, ...renamed } = change(B, 1, 20, { metadata: { name: 'new' } });
  test('an update without a vector is a change like others, which leaves the vector as it is', () => {
    const moved = change(A, 1, 10);
    for (const strategy of ['last-write-wins', 'manual']) {
      const { winner, conflict } = new ConflictResolver(strategy).resolve(moved, renamed);
      assert.ok(winner === renamed);
      assert.deepEqual(conflict.versions, [moved, renamed]);
    }
    assert.ok(new ConflictResolver('first-write-wins').resolve(moved, renamed).winner === moved);
    const later = change(B, 2, 30, { versionVector: new Map([[A, 1], [B, 2]]) });
    assert.deepEqual(new ConflictResolver().resolveAll([moved], [renamed, later]), { resolved: [later], conflicts: [] });
    fails('ERR_ARGUMENT', () => new ConflictResolver().resolve(moved, { ...renamed, operation: 'insert' }), /remote\.vector/);
  });
  // The latest won as it stood, and the others' vectors and metadata were gone.
  test('a merge takes the vector from the versions that have one', () => {
    const resolver = new ConflictResolver('merge');
    const version = (site, timestamp, vector, metadata) =>
      change(site, 1, timestamp, { operation: 'update', vector, metadata });
    const merged = (...versions) => {
      const { resolved, conflicts } = resolver.resolveAll(versions, []);
      const reversed = resolver.resolveAll([], versions.toReversed()).resolved;
      assert.deepEqual(reversed, resolved);
      assert.deepEqual([resolved.length, conflicts[0].versions.length], [1, versions.length]);
      const { vector, metadata, timestamp } = resolved[0];
      return [vector && [...vector], metadata, timestamp];
    };
    const none = version(B, 20, undefined, { name: 'new' });
    const other = C;
    const [one, two] = [version(A, 10, [1, -0], { name: 'old', text: 'kept' }), version(other, 30, [3, 2], {})];
    assert.deepEqual(merged(one, none), [[1, -0], { name: 'new', text: 'kept' }, 20]);
    assert.deepEqual(merged(none, two), [[3, 2], { name: 'new' }, 30]);
    assert.deepEqual(merged(one, none, two), [[2, 1], { name: 'new', text: 'kept' }, 30]);
    const [bare] = [version(A, 10, undefined, { name: 'old', text: 'kept' })];
    assert.deepEqual(merged(bare, none), [undefined, { name: 'new', text: 'kept' }, 20]);
    assert.deepEqual(merged(one, none, version(other, 30, [1, 2, 3], {})), [[1, 2, 3], {}, 30], 'other dimensions');
    // The merged change supersedes both, and travels like any other.
    const { winner } = resolver.resolve(bare, none);
    assert.ok(resolver.resolve(winner, none).winner === winner);
    assert.deepEqual(DeltaEncoder.decode(DeltaEncoder.encode('s', [winner])), [winner]);
  });
  test('a delta keeps it so', () => {
    const delta = DeltaEncoder.encode('s', [renamed, change(A, 1, 10)]);
    const read = DeltaEncoder.deserialize(DeltaEncoder.serialize(delta));
    assert.deepEqual(DeltaEncoder.decode(read), [renamed, change(A, 1, 10)]);
    assert.equal('vector' in read.changes[0], false);
    assert.equal('vector' in new Delta(delta).operations[0], false);
  });
}

export function merging(test, { api: { ConflictResolver, DeltaEncoder }, assert, change, removal }) {
  const resolver = new ConflictResolver('merge');
  test('a merge is the mean, and of each key the latest value', () => {
    const one = change(A, 1, 10, { vector: Float32Array.of(1, 2), metadata: { a: 1, b: 'old' } });
    const two = change(B, 1, 20, { vector: [3, 5], metadata: { b: 'new' } });
    const { winner, conflict } = resolver.resolve(one, two);
    assert.deepEqual([...winner.vector], [2, 3.5]);
    assert.deepEqual(winner.metadata, { a: 1, b: 'new' });
    assert.deepEqual([winner.operation, winner.timestamp, winner.sourceNode], ['update', 20, 'merge']);
    assert.deepEqual(winner.dot, { site: `merge@${conflict.id.slice(0, 16)}`, seq: 1 });
    assert.deepEqual([...winner.versionVector].sort(), [[A, 1], [B, 1], [winner.dot.site, 1]].sort());
    assert.deepEqual(conflict.versions, [one, two]);
  });
  test('two nodes make the same merge, which supersedes just what it merged', () => {
    const [one, two, three] = [change(A, 1, 10), change(B, 1, 20), change(C, 1, 30)];
    const [here, there] = [resolver.resolve(one, two).winner, resolver.resolve(two, one).winner];
    assert.deepEqual(exactly(here), exactly(there));
    const { resolved, conflicts } = new ConflictResolver().resolveAll([here, one, two], [three, there]);
    assert.ok(resolved[0] === three);
    assert.equal(conflicts[0].versions.length, 2, 'the merged one and the third');
    DeltaEncoder.encode('s', [here]);
  });
  test('a live version beats a tombstone, and different lengths are not mixed', () => {
    const live = change(A, 1, 10);
    assert.ok(resolver.resolve(removal(B, 1, 20), live).winner === live);
    const longer = change(B, 1, 20, { vector: Float32Array.of(1, 2, 3) });
    assert.ok(resolver.resolve(live, longer).winner === longer);
    const last = removal(B, 1, 20);
    assert.ok(resolver.resolve(removal(A, 1, 10), last).winner === last);
  });
  test('several vectors are merged at once, each into its own place', () => {
    const pair = (vectorId, base) =>
      [A, B].map((site, index) => change(site, base, 10 + index, { vectorId, vector: [base + 2 * index] }));
    const [a, b, c] = [pair('a', 1), pair('b', 2), pair('c', 3)];
    const { resolved } = resolver.resolveAll([c[0], a[1], b[0]], [a[0], c[1]]);
    assert.deepEqual(resolved.map(({ vectorId, vector }) => [vectorId, ...vector]), [['a', 2], ['b', 2], ['c', 4]]);
  });
}

export function tracking(test, { api: { ConflictResolver, ConflictTracker }, assert, change, fails }) {
  const conflictOf = (shardId, vectorId) => {
    const [one, two] = [A, B].map((site, index) => change(site, 1, 1 + index, { shardId, vectorId }));
    return new ConflictResolver().resolve(one, two).conflict;
  };

  test('conflicts stay until they are resolved', () => {
    const tracker = new ConflictTracker();
    const [one, two] = [conflictOf('s', 'v'), conflictOf('t', 'v')];
    for (const conflict of [one, two, one]) tracker.addConflict(conflict);
    assert.equal(tracker.count(), 2);
    assert.deepEqual(tracker.getUnresolved(), [one, two]);
    assert.deepEqual(tracker.getForShard('t'), [two]);
    assert.deepEqual(tracker.getForShard('u'), []);
    tracker.resolveConflict(one.id, one.localChange);
    assert.deepEqual(tracker.getUnresolved(), [two]);
    fails('ERR_NOT_FOUND', () => tracker.resolveConflict(one.id, one.localChange));
    tracker.clear();
    assert.equal(tracker.count(), 0);
  });
  test('a winner of another vector or shard is refused, and nothing is forgotten', () => {
    const tracker = new ConflictTracker();
    const conflict = conflictOf('s', 'v');
    tracker.addConflict(conflict);
    fails('ERR_ARGUMENT', () => tracker.resolveConflict(conflict.id, change(A, 2, 3, { vectorId: 'w' })), /'w'/);
    fails('ERR_ARGUMENT', () => tracker.resolveConflict(conflict.id, change(A, 2, 3, { shardId: 't' })), /'t'/);
    fails('ERR_ARGUMENT', () => tracker.resolveConflict(conflict.id, undefined));
    fails('ERR_ARGUMENT', () => tracker.resolveConflict(5, conflict.localChange));
    for (const bad of [undefined, null, {}, { ...conflict, id: '' }, { ...conflict, localChange: null }]) {
      fails('ERR_ARGUMENT', () => tracker.addConflict(bad));
    }
    assert.equal(tracker.count(), 1);
  });
  test('changes of a tracked conflict, and its winner, may lack fields', () => {
    // Programs keep what they need of a change; the tracker needs none of it.
    const tracker = new ConflictTracker();
    const conflict = { id: 'c', shardId: 's', vectorId: 'v', localChange: { timestamp: 1 }, remoteChange: {}, detectedAt: 1 };
    for (const id of ['c', 'd', 'e']) tracker.addConflict({ ...conflict, id });
    assert.deepEqual(tracker.getForShard('s')[0], conflict);
    tracker.resolveConflict('c', { timestamp: 1 });
    tracker.resolveConflict('d', { vectorId: 'v', vector: [1] });
    fails('ERR_ARGUMENT', () => tracker.resolveConflict('e', { vectorId: 'w' }), /'w'/);
    fails('ERR_ARGUMENT', () => tracker.resolveConflict('e', { vectorId: 5 }), /winner\.vectorId/);
    assert.equal(tracker.count(), 1);
  });
}
