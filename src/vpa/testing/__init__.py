"""Published tests: any provider's own tests subclass the suites here. Needs the extra `testing`.

`suite` (conformance, case by case), `strategies` and `machine` (Hypothesis), `disk` (a disk that fails under a seed),
`fakes` (stores that are weak or flaky on purpose), `plugin` (pytest: gaps as strict xfails, and the report).
"""
