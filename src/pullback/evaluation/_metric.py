"""What is a metric, to everything that scores images?

A metric is one file here with

- `BETTER`: the names of its scores, each with "lower" or "higher";
- `Params`, if it has parameters;
- `scores(real, fake, params, seed) -> dict[str, Estimate]`: those of its scores for which the two sets hold enough. For
  metrics that look for copies, or train a classifier, `real` must be held out from training;

and, where it can,

- `findings(real, fake, params, seed) -> dict[str, Any]`: what a report shows besides, ready for JSON; images are named
  by `Set.numbered`, so that others find them again;
- `left_out(real, fake, params, seed) -> dict[str, LeftOut]`: what `_paired.compare_scores` needs of the scores in which
  two sets can be compared: those that move smoothly with the rows of the sets. C_T, authenticity, NDB and the
  divergence judge by a fixed partition or training set, and a classifier is too slow to train again for each group.

Sets are `_set.Set`; errors that a user can mend are `UserError`.
"""
