"""`squall doctor`: what is wrong with this setup, and how to mend it. It reads only, and changes nothing."""

from streams.doctor.examination import examine
from streams.doctor.lines import Line, Mark, worst

__all__ = ["Line", "Mark", "examine", "worst"]
