/** A finding is `{rule, where, what}`. A result carries so many of them at most, and says how many were left out. */
const findingsMax = 200;

export function listed(findings) {
  const leftOut = Math.max(0, findings.length - findingsMax);
  return { findings: findings.slice(0, findingsMax), ...(leftOut > 0 && { findingsLeftOut: leftOut }) };
}
