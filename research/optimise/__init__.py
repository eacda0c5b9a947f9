"""`moondev optimise`: search for parameters, and say how much of what was found is luck.

space       what is searched: a strategy's own parameters and their ranges
explore     points that fill that space evenly, whatever came out before
spans       a source cut into warm-up, study and the end that no trial sees
pieces      what a run leaves behind: returns and counts of each part of the study
objectives  what is looked for, as functions of pieces
job         one run: parameters in, pieces out, stopped early where it falls behind
pool        processes of this machine, or Dask's of many
definition  what a study is, and its trials as they stand
study       the study in its database: asks, tells, goes on after a kill
folds       walk-forward and purged cross-validation over pieces
robust      the score of a point's neighbourhood, and the point that is chosen by it
evidence    what was chosen, in and out of sample, and how likely it is luck
page        all of that as one page
"""
