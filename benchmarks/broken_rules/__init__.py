"""Rules broken on purpose, one at a time, and whether the tests notice.

Each rule of the enclosures, the checker and the steps has an entry in one of the catalogues
(`enclosure_rules`, `checker_rules`, `step_rules`): the function in which it stands, a piece of the
code of that function, and code that is wrong in its place. A run copies the project, breaks one
rule in the copy, and runs the tests that are meant to fail then; a rule "survives" if they all
pass. Code is compared as syntax trees, so that formatting and moves between files play no part.

Run it as `python -m benchmarks.broken_rules`.
"""
