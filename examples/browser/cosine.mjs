// How alike vectors are.

/** The cosine of the angle between two vectors of as many components: 1 for the same direction. */
export function cosine(one, other) {
  return Math.min(1, Math.max(-1, dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other))));
}

/** The length of a vector. */
export function length(vector) {
  return Math.sqrt(dot(vector, vector));
}

/** The angle between two vectors, in degrees. */
export function degrees(one, other) {
  return (Math.acos(cosine(one, other)) * 180) / Math.PI;
}

/** Whether all components are the same. */
export function isEqual(one, other) {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

function dot(one, other) {
  let sum = 0;
  for (let index = 0; index < one.length; index++) sum += one[index] * other[index];
  return sum;
}
