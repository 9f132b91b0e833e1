"""What the process and other modules use of health."""

from farmgate.health.logic import Check, Health, Report, Unwell

__all__ = ["Check", "Health", "Report", "Unwell"]
