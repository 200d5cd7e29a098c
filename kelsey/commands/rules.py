"""`kelsey rules`: which rules there are, and what each says in plain words."""

from __future__ import annotations

import click

from kelsey.commands.options import as_json_option, print_json

__all__ = ["rules"]


@click.group()
def rules() -> None:
    """Rules that flag signals of disproportionate reporting, as data with source and date."""


@rules.command(
    "list",
    epilog="""\b
Examples:
  kelsey rules list
  kelsey rules list --json""",
)
@as_json_option
def list_(as_json: bool) -> None:
    """List the published rules that come with Kelsey."""
    from detectors.rule_explanation import RuleExplanation
    from detectors.rules import load_presets
    from kelsey.console import table

    presets = load_presets()
    if as_json:
        print_json([RuleExplanation.of(rule).as_dict() for rule in presets.values()])
        return
    rows = [(name, rule.source_date.isoformat(), rule.title) for name, rule in presets.items()]
    click.echo(table(rows, header=("rule", "source", "flags by")))


@rules.command(
    epilog="""\b
Examples:
  kelsey rules explain evans
  kelsey rules explain own-rules.toml --json"""
)
@click.argument("name", metavar="NAME|FILE.toml")
@as_json_option
def explain(name: str, as_json: bool) -> None:
    """Say in words what a rule asks for, where it comes from, and what it does not say.

    A FILE of own rules is validated, and all its rules explained (as a list with --json).
    """
    from detectors.rule_explanation import RuleExplanation
    from kelsey.score_rules import chosen_rules

    explanations = [RuleExplanation.of(rule) for rule in chosen_rules([name]).values()]
    if as_json:
        values = [each.as_dict() for each in explanations]
        print_json(values if name.endswith(".toml") else values[0])
    else:
        click.echo("\n\n".join(map(str, explanations)))
