"""Why a text got its label: words that made it, found by asking any session about changed texts. No torch."""
