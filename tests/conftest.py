"""What every test shares: Hypothesis without deadlines (the cores are shared), and reproducible in CI."""

import os

from hypothesis import settings

settings.register_profile("moondev", deadline=None, print_blob=True, derandomize=os.environ.get("CI") == "true")
settings.load_profile("moondev")
