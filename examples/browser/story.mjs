// What happened while the two nodes were apart: the entries that open the page, told one by one. Every phrase is a line
// of examples/data/phrases-6k.txt, and brings its own embedding.

/** `as`: see plan.mjs. `left`, `right`: the phrase that this side wrote. `gap`: how much later the right side wrote, in
 *  microseconds. */
export const STORY = [
  { as: 'apart', topic: 'music', left: 'chamber orchestra', right: 'symphony orchestra', gap: 3_200_000 },
  { as: 'tie', topic: 'transport', left: 'logging locomotive', right: 'freight train' },
  { as: 'seen', topic: 'sea', left: 'sea bottle', right: 'drift bottle', gap: 154_000_000 },
  {
    as: 'apart', topic: 'trades', left: 'craft guild', right: 'merchant guild', gap: -48_700_000,
    leftKeys: { note: 'members swear an oath' }, rightKeys: { tags: ['history', 'trade'] },
  },
  { as: 'deleted', topic: 'kitchen', left: 'meat pie', gap: 12_450_000 },
  {
    as: 'keys', topic: 'animals', left: 'king crab', gap: 91_300_000,
    leftKeys: { note: 'has ten legs' }, rightKeys: { tags: ['shore'] },
  },
  { as: 'deleted', topic: 'animals', right: 'meadow bird', gap: 1_840_000 },
  { as: 'third', topic: 'plants', left: 'dog lily', right: 'tiger lily', third: 'meadow lily', gap: 640_000 },
  { as: 'left', topic: 'household', left: 'sheath knife' },
  { as: 'apart', topic: 'household', left: 'combination lock', right: 'permutation lock', gap: 812 },
  { as: 'born', topic: 'sport', left: 'marathon race', right: 'race runner', gap: -7_930_000 },
  { as: 'same', topic: 'weather', left: 'daylight-saving time' },
  { as: 'gone', topic: 'kitchen', gap: 5_500_000 },
  { as: 'apart', topic: 'plants', left: 'coconut palm', right: 'bottle palm', gap: -2_410_000 },
  {
    as: 'apart', topic: 'kitchen', left: 'almond oil', right: 'sesame oil', gap: 27_800_000,
    rightKeys: { note: 'pressed cold' },
  },
  { as: 'seen', topic: 'animals', left: 'ground squirrel', right: 'rabbit squirrel', gap: 3_725_000_000 },
  { as: 'right', topic: 'law', right: 'moot court' },
  { as: 'apart', topic: 'machines', left: 'jet propeller', right: 'screw propeller', gap: 415_000 },
  { as: 'tie', topic: 'music', left: 'ballad singer', right: 'hymn singer' },
  { as: 'apart', topic: 'light', left: 'arc lamp', right: 'student lamp', gap: -1_260_000_000 },
  { as: 'twice', topic: 'plants', left: 'garden sage', right: 'prairie sage', gap: 18_200_000 },
  {
    as: 'keys', topic: 'kitchen', left: 'honeydew melon', gap: -33_000_000,
    leftKeys: { note: 'ripe in August', level: 2 }, rightKeys: { level: 3, tags: ['fruit'] },
  },
  { as: 'apart', topic: 'armour', left: 'chain mail', right: 'chain-mail armor', gap: 9_075_000 },
  { as: 'deleted', topic: 'post', left: 'postage stamp', gap: 860_000 },
  { as: 'apart', topic: 'animals', left: 'diamond rattlesnake', right: 'rattlesnake leaf', gap: 62_000_000 },
  { as: 'seen', topic: 'machines', left: 'air valve', right: 'safety valve', gap: 840_000_000 },
  { as: 'apart', topic: 'paper', left: 'latex paper', right: 'writing paper', gap: -5_310_000 },
  { as: 'third', topic: 'animals', left: 'frog crab', right: 'spider crab', third: 'barrel fish', gap: -14_000_000 },
  { as: 'apart', topic: 'sport', left: 'goal crease', right: 'field goal', gap: 71_500_000 },
  { as: 'same', topic: 'household', left: 'dwelling house' },
  { as: 'apart', topic: 'kitchen', left: 'cream soup', right: 'duck soup', gap: 2_050_000 },
  { as: 'deleted', topic: 'transport', right: 'cargo worker', gap: 340_000_000 },
  { as: 'apart', topic: 'plants', left: 'citrus fruit', right: 'orchard fruit', gap: -690_000 },
  { as: 'left', topic: 'sea', left: 'motor torpedo boat' },
  { as: 'apart', topic: 'machines', left: 'heating coil', right: 'induction coil', gap: 4_400_000 },
  { as: 'born', topic: 'plants', left: 'valley lily', right: 'blood lily', gap: 58_000_000 },
  { as: 'apart', topic: 'family', left: 'apple family', right: 'family tree', gap: 133_000 },
  {
    as: 'keys', topic: 'animals', left: 'bird dog', gap: 610_000,
    leftKeys: { tags: ['dog'] }, rightKeys: { tags: ['dog', 'hunting'], note: 'points' },
  },
  { as: 'right', topic: 'fire', right: 'fire balloon' },
  { as: 'apart', topic: 'money', left: 'cash discount', right: 'trade discount', gap: -22_600_000 },
];

/** What fills the shard after the story: one after the other, again and again. */
export const FILLING = [
  ...['apart', 'apart', 'apart', 'tie', 'apart', 'apart', 'apart', 'deleted', 'apart', 'apart'],
  ...['apart', 'apart', 'seen', 'apart', 'apart', 'apart', 'apart', 'right', 'apart', 'left'],
];
