"""Everything on one machine: a broker, two workers, and a simulated exchange on which incidents are planted."""

from streams.demo.plan import DemoPlan
from streams.demo.run import run_demo

__all__ = ["DemoPlan", "run_demo"]
