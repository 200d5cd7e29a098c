"""A made-up population counted as a federation would count it: what privacy costs, before anybody agrees to it.

population -> contributions (privacy.wallet) -> counting -> view (privacy.release_spec, hub.totals)
-> outcome (hub.statistics, hub.rules, ranking) -> run -> plots, page -> output
"""

from kelsey.simulation.contributions import wallet_weights
from kelsey.simulation.outcome import Outcome
from kelsey.simulation.population import PatientPairs, Population
from kelsey.simulation.run import SimulationResult, count_views, run_simulation
from kelsey.simulation.settings import SimulationSettings
from kelsey.simulation.view import View

__all__ = [
    "Outcome",
    "PatientPairs",
    "Population",
    "SimulationResult",
    "SimulationSettings",
    "View",
    "count_views",
    "run_simulation",
    "wallet_weights",
]
