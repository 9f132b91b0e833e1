"""What the process and other modules use of health."""

from farmgate.health.logic import Check, Health, Report

__all__ = ["Check", "Health", "Report"]
