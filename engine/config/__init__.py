"""Configuration: one YAML file per environment over defaults, checked in one go, every mistake with its line.

load_config(path, environment, kinds)   Config, or `Problems` (a ConfigError)
Config.to_settings()                    what the core carries
Config.content_hash                     SHA-256 of what the core carries
environment_of(path)                    which environment a file is for
remember, remembered, load_remembered   which file a data folder was last started with
diff(old, new)                          what changed between two settings, for people
BUILT_IN                                the paper set-up that is used without a file

source.py    YAML text to a tree with places      words.py   mistakes to sentences
fields.py    kinds of value                       checks.py  what sections say about each other
models.py    sections and their defaults          settings.py  to the core's integers
venues.py    the section of real venues           venue_checks.py  what it must keep
doors.py     sections of chat and dashboard       section.py   the base of all sections
local.py     settings of `run --venue NAME-local`
"""

from domain.diff import diff
from engine.config.load import BUILT_IN, environment_of, load_config, load_remembered
from engine.config.models import Config
from engine.config.problem import Place, Problem, Problems
from engine.config.remember import remember, remembered

__all__ = [
    "BUILT_IN",
    "Config",
    "Place",
    "Problem",
    "Problems",
    "diff",
    "environment_of",
    "load_config",
    "load_remembered",
    "remember",
    "remembered",
]
