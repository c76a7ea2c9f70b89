"""One recorded run of the default exchange with one incident of each family, for all who look at it."""

import pytest

from streams.simulator import Exchange, ExchangeSettings, plant
from tests.streams.simulator.recording import Recording


@pytest.fixture(scope="session")
def recording() -> Recording:
    settings = ExchangeSettings(seed=5, duration_s=200)
    incidents = plant(5, settings)
    return Recording(settings, incidents, list(Exchange(settings, incidents).events()))
