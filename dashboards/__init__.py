"""Grafana dashboards and Prometheus rules, generated from code.

    python -m dashboards.generate            writes them
    python -m dashboards.generate --check    fails if a committed file is not what the code makes

    grafana/site.json, grafana/hub.json                       dashboards
    prometheus/site-rules.yaml, prometheus/hub-rules.yaml     alert rules; each alert has a section in docs/runbooks.md
    prometheus/*-test.yaml                                    unit tests of the rules (`promtool test rules`)

They name metrics and SQL tables and import nothing of the rest. The Grafana builder library is a tool of development
that only `dashboards.generate` and what it imports need; the generated files need nothing.
"""

__all__: list[str] = []
