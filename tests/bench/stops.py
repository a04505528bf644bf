# SPDX-License-Identifier: MIT
"""How long threads were stopped by looks, told in the same words by every bench."""
import statistics


def of(incident):
    """In us, of each thread that was stopped."""
    return [t["stopped_us"] for t in incident.threads() if t.get("stopped_us")]


def told(stops):
    stops = sorted(stops)
    if not stops:
        return "nobody was stopped"
    return "median %.0f us, 99 of 100: %.0f us, longest %.0f us" % (statistics.median(stops), stops[len(stops) * 99 // 100], stops[-1])
