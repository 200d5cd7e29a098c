"""`kelsey protocol sign`, `accept`, `diff`, `activate`: how a protocol comes into force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, config_option, print_json
from kelsey.console import table

if TYPE_CHECKING:
    from privacy.protocol import SurveillanceProtocol
    from streams.acceptance import Acceptance

__all__ = ["accept", "activate", "diff", "sign"]

_hash_option = click.option(
    "--hash", "expected", metavar="HEX", help="Go on only if the protocol's hash begins so; at least 12 digits."
)


@click.command(
    epilog="""\b
Examples:
  kelsey protocol sign protocol.json --key keys/signing.pem --party north
  kelsey protocol sign protocol.json --key board.pem --party "Ethics board" --role authority"""
)
@click.argument("file", type=EXISTING_FILE, metavar="PROTOCOL")
@click.option("--key", type=EXISTING_FILE, required=True, metavar="PEM", help="The party's Ed25519 private key.")
@click.option("--party", required=True, help="Its name: a site's id, as the hub has it registered.")
@click.option(
    "--role",
    type=click.Choice(["site", "leader", "helper", "authority"]),
    default="site",
    show_default=True,
    help="In which it signs; leader and helper are the aggregators.",
)
def sign(file: Path, key: Path, party: str, role: str) -> None:
    """Add a party's signature to PROTOCOL.signatures.json, beside the protocol."""
    from kelsey.protocol_agreement import sign_protocol
    from privacy.protocol_signatures import PartyRole

    path = sign_protocol(file, key, party=party, role=PartyRole(role))
    click.echo(f"{path}: signed by {party} ({role}); hand it out with the protocol")


@click.command(
    epilog="""\b
Examples:
  kelsey protocol accept --config site.toml
  kelsey protocol accept --config site.toml --by "Dr. Imre Vass" --hash 0f6d2ab91c37"""
)
@config_option
@click.option("--by", help="Who accepts. Without it the protocol is shown and nothing is recorded.")
@_hash_option
def accept(config: Path, by: str | None, expected: str | None) -> None:
    """At a site: verify the protocol's signatures, say what changes, and record who accepted it."""
    from kelsey.protocol_agreement import AcceptanceRequest, accept_protocol
    from kelsey.protocol_words import describe

    request = AcceptanceRequest(config, expected_hash=expected)
    click.echo(table(describe(request.protocol).items()))
    for concern in request.protocol.concerns():
        click.echo(f"note: {concern}", err=True)
    signed = ", ".join(f"{each.party} ({each.role})" for each in request.signatures.signatures)
    click.echo(f"signed by: {signed or 'nobody'}")
    if request.previous is not None and request.accepted is None:
        _say_difference(request.previous, request.protocol)
    if by is None:
        click.echo("nothing recorded; add --by NAME to accept" if request.accepted is None else _said(request.accepted))
        return
    click.echo(_said(accept_protocol(request, by=by)))


def _said(acceptance: Acceptance) -> str:
    return f"accepted by {acceptance.accepted_by} on {acceptance.accepted_at:%Y-%m-%d %H:%M} UTC"


@click.command(
    epilog="""\b
Example:
  kelsey protocol diff protocol-2027.json protocol-2028.json"""
)
@click.argument("old", type=EXISTING_FILE)
@click.argument("new", type=EXISTING_FILE)
@as_json_option
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say in words what changes from one protocol to the next, and which changes ask for a new era."""
    from kelsey.protocol_diff import differences, verdict
    from privacy.protocol import SurveillanceProtocol

    before, after = SurveillanceProtocol.load(old), SurveillanceProtocol.load(new)
    if as_json:
        changes = [
            {
                "what": each.what,
                "before": each.before,
                "after": each.after,
                "effect": each.effect,
                "means": each.meaning,
            }
            for each in differences(before, after)
        ]
        print_json({"old": before.hash, "new": after.hash, "changes": changes, "verdict": verdict(before, after)})
        return
    _say_difference(before, after)


def _say_difference(old: SurveillanceProtocol, new: SurveillanceProtocol) -> None:
    from kelsey.protocol_diff import differences, verdict

    for each in differences(old, new):
        click.echo(f"{each.what}: {each.before} -> {each.after}\n    {each.meaning}")
    click.echo(f"verdict: {verdict(old, new)}")


@click.command(
    epilog="""\b
Examples:
  kelsey protocol activate --config hub.toml --by "Dr. Oldham" --hash 0f6d2ab91c37
  kelsey protocol activate --by "Dr. Sand" --config aggregator.toml"""
)
@config_option
@click.option("--by", required=True, help="Who activates; stands in the record.")
@_hash_option
def activate(config: Path, by: str, expected: str | None) -> None:
    """At the hub or an aggregator: verify who signed the protocol, and work under it from now on."""
    from kelsey.protocol_agreement import activate_protocol

    made = activate_protocol(config, by=by, expected_hash=expected)
    click.echo(
        f"era {made.era}: protocol {made.protocol_hash[:12]} activated by {made.activated_by} "
        f"on {made.activated_at:%Y-%m-%d %H:%M} UTC, signed by {', '.join(made.signed_by) or 'nobody'}"
    )
