"""The annex to a data protection impact assessment, written from a protocol: its words are fixed, its numbers computed.

For the officer who has to judge the processing, not for its makers: what leaves, how much can be learned from it, what
is kept for how long, and what is not protected.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt

from msgspec import UNSET
from scipy.special import ndtr, ndtri

from privacy.accounting import epsilon_from_mu
from privacy.protocol import SurveillanceProtocol
from privacy.release import maximum_release_bytes
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum.site_share import maximum_share_bytes
from streams.topics import TOPICS, TopicRole

__all__ = ["annex"]

_HOLDS = {
    TopicRole.RAW: "yes, as received",
    TopicRole.CASES: "yes, under pseudonyms",
    TopicRole.DEAD_LETTERS: "yes, as received",
    TopicRole.EPOCH_PARTS: "no: exact sums by pair",
}
_DAY_MS = 24 * 60 * 60 * 1000
_AGGREGATORS = ("operators of the two aggregators", "[two names; they must not be one organisation]")
_LINKED = (2, 3, 5)
_FALSE_ALARMS = (0.01, 0.05, 0.2)


def annex(protocol: SurveillanceProtocol) -> str:
    """The whole annex as Markdown; equal protocols give equal text. What an organisation must fill in stands in [ ]."""
    spec = ReleaseSpec.of(protocol)
    parts = (
        _head(protocol),
        _purpose(protocol),
        _flow(protocol),
        _leaves(protocol),
        _guarantee(protocol, spec),
        _wallet(protocol),
        _linked(protocol, spec),
        _seen(protocol, spec),
        _retention(),
        _not_protected(protocol),
        _risks(protocol),
        _check(protocol),
    )
    return "\n\n".join(parts) + "\n"


def _head(protocol: SurveillanceProtocol) -> str:
    calendar = protocol.calendar
    rows = (
        ("protocol", f"{protocol.name}, version {protocol.version}"),
        ("its hash (SHA-256)", f"`{protocol.hash}`"),
        ("era", f"{protocol.era}, {calendar.start} to {calendar.last_day(calendar.count - 1)}"),
        ("releases", f"{calendar.count:,}, one each {calendar.unit}, on dates fixed in advance"),
        ("controller", "[name, address]"),
        ("data protection officer", "[name, address]"),
        ("operator of the hub", "[name, address]"),
        *((_AGGREGATORS,) if protocol.cohort is not None else ()),
        ("legal basis", "[to be filled in]"),
    )
    return (
        "# Annex to the data protection impact assessment\n\n"
        "Written by `kelsey protocol annex` from the protocol named below; every number follows from it. Entries "
        "in [ ] are for the organisation to fill in.\n\n" + _table(("", ""), rows)
    )


def _purpose(protocol: SurveillanceProtocol) -> str:
    return (
        "## Purpose\n\n"
        "To find out early that a medicine is reported with a reaction more often than expected, over several sites "
        "together, without any record of a patient leaving its site. Counted are reports of "
        f"{len(protocol.drugs):,} drugs with {len(protocol.reactions):,} reactions "
        f"({len(protocol.drugs) * len(protocol.reactions):,} pairs) of "
        f"the vocabulary {protocol.vocabulary}, a list that was fixed beforehand from public data. "
        + (
            ""
            if protocol.residual_buckets is UNSET
            else f"{protocol.cell_count:,} pairs, chosen from public data or from what was released before, are "
            f"counted one by one; all others together, in {protocol.residual_buckets:,} groups that depend on their "
            "names alone. "
        )
        + (
            "Drugs and reactions that are read in free text count too; the text itself stays at the site."
            if protocol.with_narrative
            else "Free text is not counted."
        )
    )


def _flow(protocol: SurveillanceProtocol) -> str:
    steps = [
        "The site reads adverse event reports from its own systems. The patient's identifier is replaced by a keyed "
        "pseudonym, whose key stays at the site.",
        "What a patient adds to the counts is limited by a wallet (below).",
        f"At the end of each {protocol.calendar.unit} the site adds up what all patients added.",
    ]
    cohort = protocol.cohort
    if cohort is None:
        steps += [
            "The site adds random noise, drawn from its operating system, to every number. It does so once for each "
            "release and stores the result before it is sent.",
            "The noisy numbers go to the hub, signed. The hub adds up those of all sites and computes statistics that "
            "take the noise into account.",
        ]
    else:
        steps += [
            "The site draws random noise from its operating system, and splits noise and sums each into two shares. "
            "Either share alone is a row of random numbers. One goes to each of two aggregators that are run by two "
            "parties.",
            "The aggregators add up the shares of all sites. A sum is put together only where at least "
            f"{cohort.minimum} sites are in it; {cohort.honest} of these are relied upon to add their noise.",
            "The hub puts the two aggregators' sums together: it learns the noisy total of all sites, of none alone.",
        ]
    lines = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
    return f"## Flow of data\n\n{lines}"


def _leaves(protocol: SurveillanceProtocol) -> str:
    length = protocol.layout.length
    each = "pair" if protocol.residual_buckets is UNSET else "pair or group of pairs"
    if protocol.cohort is None:
        size = f"one signed line of at most {maximum_release_bytes(protocol):,} bytes to the hub"
        content = f"{length:,} integers with noise: one for each {each}, drug and reaction"
    else:
        size = f"one signed message to each aggregator, of at most {maximum_share_bytes(protocol):,} bytes"
        content = (
            f"its share of {length:,} counts, one for each {each}, drug and reaction, and of as much noise, a row of "
            "random numbers to whoever has that message alone"
        )
    return (
        "## What leaves a site\n\n"
        f"Each {protocol.calendar.unit}: {size}. It names the site, this protocol and the epoch, and holds {content}; "
        "always as many, also where nothing happened. It has no field for anything else: no identifier, pseudonym, "
        "date of an event, age, sex, free text, or number of patients."
    )


def _guarantee(protocol: SurveillanceProtocol, spec: ReleaseSpec) -> str:
    odds = exp(protocol.epsilon)
    rows = [(f"{rate:.0%}", f"{ndtr(ndtri(rate) + spec.mu):.1%}") for rate in _FALSE_ALARMS]
    return (
        "## Guarantee\n\n"
        "Whoever sees all releases of the era, and knows whatever else there is to know, can hardly tell whether a "
        "given patient's reports were at the site at all, and so learns hardly anything about what was in them.\n\n"
        f"In numbers: differential privacy with epsilon {protocol.epsilon:g} and delta {protocol.delta:g} for one "
        "patient at one site, added or removed with all reports, follow-ups, corrections and retractions, over the "
        f"whole era (mu = {spec.mu:.4f} of Gaussian differential privacy). The odds that the patient is in the data "
        f"change by a factor of at most {odds:.3g}, but for a probability of {protocol.delta:g}: who thought it as "
        f"likely as not beforehand is at most {odds / (1 + odds):.1%} sure afterwards.\n\n"
        "The same for someone who tests for a patient with all releases and allows themselves some false alarms:\n\n"
        + _table(("accused wrongly, of those who are not in", "found at most, of those who are"), rows)
        + _concerns(protocol)
    )


def _concerns(protocol: SurveillanceProtocol) -> str:
    found = protocol.concerns()
    return "".join(f"\n\n**To be judged:** {each}" for each in found)


def _wallet(protocol: SurveillanceProtocol) -> str:
    return (
        "## Limit on one patient\n\n"
        "There are three tables of counts: of pairs, of drugs and of reactions. In the whole era a patient adds to "
        f"each of them in at most {protocol.wallet_operations} steps, whose weights have squares that sum to at most "
        f"{protocol.wallet_capacity:g} squared. A pair counts a patient once, however many reports hold it, a drug or "
        "reaction once, however many pairs do. Corrections are paid from the same wallet; when it is empty for pairs "
        "the patient's data no longer reach any count. A wallet that is lost or in doubt counts as empty."
    )


def _linked(protocol: SurveillanceProtocol, spec: ReleaseSpec) -> str:
    losses = ((sites, spec.mu * sites, spec.mu * sqrt(sites)) for sites in (1, *_LINKED))
    rows = [(sites, *(f"{epsilon_from_mu(mu, protocol.delta):.2f}" for mu in mus)) for sites, *mus in losses]
    return (
        "## Patients who are known to several sites\n\n"
        "Sites do not link patients, so each protects its own part alone. For someone with reports at several sites "
        f"the guarantee is weaker; epsilon at delta {protocol.delta:g}:\n\n"
        + _table(("sites", "the same pairs at each", "no drug or reaction in common"), rows)
        + (
            "\n\nAs each site adds noise of its own, the last column holds here whatever is reported; the one before "
            "is that of one person under as many identities at one site."
            if protocol.cohort is None
            else "\n\nDifferent pairs that share a drug or a reaction lie between both columns."
        )
    )


def _seen(protocol: SurveillanceProtocol, spec: ReleaseSpec) -> str:
    last, cohort = protocol.calendar.count - 1, protocol.cohort
    if cohort is None:
        cases = [(f"{sites} site{'s' * (sites > 1)}", float(sites)) for sites in (1, 3, 10)]
    else:
        cases = [(f"{cohort.minimum} sites, all adding noise", cohort.inflation(cohort.minimum) ** 2)]
    rows = [
        (
            words,
            f"{sqrt(draws) * spec.running_total_sd('pair', last):.1f}",
            f"{spec.minimum_detectable_excess(last, sites=draws):.0f}",
        )
        for words, draws in cases
    ]
    return (
        "## What the noise hides\n\n"
        "The price of the guarantee, at the end of the era: a pair is seen only where it has that many reports more "
        "than the ten expected. Fewer go the legal way of individual case reports, which this does not replace.\n\n"
        + _table(("sum over", "standard deviation of the noise of a pair", "excess reports to be seen"), rows)
    )


def _retention() -> str:
    rows = [
        (
            f"topic {topic.role}",
            _HOLDS[topic.role],
            f"{days} days" if (days := int(topic.configuration["retention.ms"]) // _DAY_MS) > 0 else "no end by itself",
        )
        for topic in TOPICS
    ]
    rows += [
        ("wallets", "under pseudonyms", "the era, then [to be decided]"),
        ("budget ledger", "no: what was sealed, and hashes of exact sums", "the era, then [to be decided]"),
        ("releases at the hub", "no: noisy sums", "[to be decided]"),
    ]
    return (
        "## What is kept, and how long\n\n"
        "Defaults as shipped; the last column is the operator's to change for the site's own systems.\n\n"
        + _table(("where", "records of patients", "kept"), rows)
        + "\n\nErasure (GDPR art. 17): the site deletes the record and retracts what is left in the counts, as far as "
        "the wallet pays for it. A total that was released cannot be called back; it stays under the guarantee."
    )


def _not_protected(protocol: SurveillanceProtocol) -> str:
    points = [
        "That a site takes part, its identifier, the calendar and this protocol.",
        "The site's own systems, dashboards, logs, topics and ledger: exact data, protected by access control alone.",
        "One person under several identities at a site: each has a wallet of its own, as if at several sites.",
        "Conclusions about groups, such as that a drug causes a reaction: they are the purpose.",
        "Whatever becomes known outside of this system.",
        "Data that a site makes up: no one can see it in the sums.",
    ]
    cohort = protocol.cohort
    if cohort is not None:
        points += [
            "Sums of a site against both aggregators together: if they collude they see every site's exact sums. "
            "[Contract that forbids it]",
            f"Patients, where fewer than {cohort.honest} sites in a sum add their noise and keep it to themselves.",
        ]
    return "## What is not protected\n\n" + "\n".join(f"- {point}" for point in points)


def _risks(protocol: SurveillanceProtocol) -> str:
    rows = [
        ("records are read at the site by someone who may not", "access control, encryption of disks [site]", "[ ]"),
        ("the site's secret keys are lost or stolen", "keys in files only the service reads; change of keys", "[ ]"),
        (
            "a backup is put back and budget is spent twice",
            "wallets and ledger fail closed; the ledger is compared with what the hub has",
            "[ ]",
        ),
        ("the software draws too little noise", "`kelsey privacy audit`, open source, tests of the sampler", "[ ]"),
        (
            "the noise hides a signal",
            "individual case reports go on; the hub says what it cannot see",
            "[ ]",
        ),
    ]
    if protocol.cohort is not None:
        rows.append(("the aggregators collude", "two parties, separate keys and staff, contract", "[ ]"))
    return "## Risks that remain\n\n" + _table(("risk", "what is done", "judgement of the officer"), rows)


def _check(protocol: SurveillanceProtocol) -> str:
    matrix = "" if protocol.factorisation is UNSET else " --factorisation FILE"
    return (
        "## How to check this\n\n"
        f"- `kelsey protocol show FILE{matrix}` prints the hash of a protocol file; it must be the one above.\n"
        f"- `kelsey protocol annex FILE{matrix} --out annex.md` writes this text again.\n"
        f"- `kelsey privacy audit --protocol FILE{matrix}` tries to find a patient in releases of the real code.\n"
        "- Definitions, proofs and measurements: docs/privacy.md of the software."
    )


def _table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in lines)
