"""Numbers as a person reads them."""

import math

NO_VALUE = "–"


def percent(share: float | None, decimals: int = 1) -> str:
    """Show a fraction as percent."""
    return NO_VALUE if share is None else f"{100 * share:.{decimals}f}\u00a0%"


def points(value: float | None) -> str:
    """Show percentage points with two decimals and a true minus sign."""
    return NO_VALUE if value is None else f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def signed(value: float | None) -> str:
    """Show percentage points with their sign."""
    shown = points(value)
    return shown if shown in (NO_VALUE, "0.00") or shown.startswith("−") else f"+{shown}"


def bound(upper: float | None, margin: float) -> str:
    """Show an upper bound in points, rounded up; with more decimals where it would look like the margin that it keeps."""
    if upper is None:
        return NO_VALUE
    for decimals in range(2, 7):
        shown = math.ceil(upper * 10**decimals) / 10**decimals + 0.0
        if upper >= margin or shown < margin:
            return f"{shown:.{decimals}f}".replace("-", "−")
    return f"{upper:.9f}".replace("-", "−")


def probability(value: float) -> str:
    """Show a p-value."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def moment(iso: str) -> str:
    """Show an ISO 8601 time to the minute."""
    day, _, rest = iso.partition("T")
    zone = " UTC" if rest.endswith(("+00:00", "Z")) else rest[8:]
    return f"{day} {rest[:5]}{zone}" if rest else iso


def significant(value: float | None) -> str:
    """Show about three significant digits, and every digit of a large whole number."""
    if value is None:
        return NO_VALUE
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.1 or value == 0 else 4
    return f"{value:,.{decimals}f}"


def ratio(value: float) -> str:
    """Show how many times."""
    return f"{value:,.0f}×" if value >= 99.5 else f"{value:.1f}×" if value >= 0.95 else f"{value:.2f}×"


def count(value: float) -> str:
    """Show a whole number with separators."""
    return f"{value:,.0f}"


def size(number: float | None) -> str:
    """Show bytes in decimal units, as disks are sold."""
    if number is None:
        return NO_VALUE
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 999.5 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f}\u00a0{unit}" if unit == "B" or number >= 99.5 else f"{number:.1f}\u00a0{unit}"


def duration(seconds: float) -> str:
    """Show a time span in its two largest units."""
    if seconds < 59.5:
        return f"{seconds:.1f}\u00a0s" if seconds < 9.95 else f"{seconds:.0f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"
