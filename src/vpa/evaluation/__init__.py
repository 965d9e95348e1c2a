"""How well a search answers judged queries: measures, confidence intervals and paired tests over plain rankings.

Knows no store and no RAG system: `evaluate` takes a function that answers questions, `evaluate_run` a ready ranking.
"""

from vpa.evaluation.evaluate import evaluate, evaluate_run
from vpa.evaluation.report import Comparison, Evaluation, compare

__all__ = ["Comparison", "Evaluation", "compare", "evaluate", "evaluate_run"]
