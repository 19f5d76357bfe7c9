/** What the reviewers have in common: they judge by the findings of all examiners, and differ in what they object to. */

/** `because` says for each rule why a single finding of it is an objection; the other rules do not matter. */
export function objections(dependencies, because) {
  const findings = Object.values(dependencies).flatMap((result) => result.findings);
  return Object.entries(because)
    .map(([rule, why]) => ({
      rule,
      why,
      places: findings.filter((each) => each.rule === rule).map(({ where }) => where),
    }))
    .filter(({ places }) => places.length > 0)
    .map(({ rule, why, places }) => `${rule}: ${why} (${some(places)})`);
}

export function verdict(reviewer, reasons) {
  return { reviewer, verdict: reasons.length === 0 ? 'go' : 'no-go', reasons };
}

function some(places) {
  const [first, second, third, ...more] = places;
  return [first, second, third].filter(Boolean).join(', ') + (more.length === 0 ? '' : ` and ${more.length} more`);
}
