"""How hypothesis looks for counter-examples: the same ones at every run, so that a failure can be seen again."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "core",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("core-long", settings.get_profile("core"), derandomize=False, max_examples=2_000)
settings.load_profile("core")
