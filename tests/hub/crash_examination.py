"""What crashes must never leave behind: an overspent ledger, a second draw of noise, a sum that is off by a bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy import BudgetLedger, EpochVector, ReleaseSpec, ReleaseState, open_release
from privacy.secure_sum import Role, join_shares, join_sums, open_share, open_sum_share, unpack_sharing
from tests.hub.crash_world import EPOCHS, PER_SITE, SOLO, SiteProcess, World
from tests.hub.secure_sum import COHORT, PROTOCOL, PUBLIC, SITE_KEYS


def overspent(world: World) -> int:
    """Ledgers that charged more than the protocol grants or the spec costs; all must verify."""
    found = 0
    for party in world.parties:
        protocol = party.protocol if isinstance(party, SiteProcess) else PROTOCOL
        spec = ReleaseSpec.of(protocol)
        with BudgetLedger(party.folder / "ledger.sqlite", is_read_only=True) as ledger:
            ledger.verify()
            is_sent = all(entry.state is ReleaseState.SENT for entry in ledger.entries())
            assert is_sent or world.plant != "none", "something was left behind"
            found += not ledger.spent(protocol.era) == spec.cost_micro_mu2 <= spec.cap_micro_mu2
    return found


def second_draws(world: World) -> int:
    """Epochs for which more than one payload left a site or an aggregator, or another than its ledger has."""
    found = 0
    for (name, epoch), payloads in [*world.sent.items(), *world.at_hub.items()]:
        with BudgetLedger(world.folder / name / "ledger.sqlite", is_read_only=True) as ledger:
            found += payloads != {ledger.payload(PROTOCOL.era, epoch)}
    return found


def wrong_sums(world: World) -> int:
    """Sums at the hub that are not, to the last bit, those of the shares agreed on; plus 1 where a part is lost."""
    spec = ReleaseSpec.of(PROTOCOL)
    contents: dict[int, NDArray[np.int64]] = {}
    waiting = np.zeros(PROTOCOL.layout.length, dtype=np.int64)
    total, found = waiting, 0
    for epoch in range(EPOCHS):
        shares = {
            role: open_sum_share(
                next(iter(world.at_hub[role, epoch])), keys=PUBLIC, role=role, protocol=PROTOCOL, cohort=COHORT
            )
            for role in Role
        }
        noise = np.zeros(PROTOCOL.layout.length, dtype=np.int64)
        for site, sharing in shares[Role.LEADER].acceptance.accepted.members:
            both = {
                role: open_share(message, public_key=SITE_KEYS[site].public_key(), protocol=PROTOCOL, role=role)
                for role, message in unpack_sharing(next(iter(world.sent[site, epoch]))).items()
            }
            assert both[Role.LEADER].sharing == sharing
            waiting = waiting + join_shares(both[Role.LEADER].content, both[Role.HELPER].content)
            noise = noise + join_shares(both[Role.LEADER].noise, both[Role.HELPER].noise)
        total, contents[epoch] = total + waiting, waiting
        waiting = np.zeros_like(waiting)
        row = spec.factorisation.row(epoch)
        encoded = sum(int(row[past]) * content for past, content in contents.items())
        tables = join_sums(shares[Role.LEADER], shares[Role.HELPER], PROTOCOL)
        found += not np.array_equal(np.concatenate(list(tables.values())), encoded + noise)
    parts = [site.part(epoch).vector for site in world.sites for epoch in range(EPOCHS)]
    counted = EpochVector.of(dict(enumerate(total.tolist())))
    lines = [next(iter(world.sent[SOLO, epoch])) for epoch in range(EPOCHS)]
    key = SITE_KEYS[SOLO].public_key()
    opened = [open_release(line, public_key=key, protocol=PER_SITE).epoch for line in lines]
    return found + (counted.digest != EpochVector.merge(parts).digest) + (opened != list(range(EPOCHS)))
