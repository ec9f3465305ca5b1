"""Banks of look-up tables: the model, its files, finding them by name, and what tables say."""

from lerf_core.bank.analytic import analytic_bank
from lerf_core.bank.base import Bank
from lerf_core.bank.files import Table, table_name
from lerf_core.bank.layered_network import Layer
from lerf_core.bank.loading import (
    BANK_BEHIND_FRONTS,
    DEFAULT_BANK,
    SHRINKING_BANK,
    available_banks,
    bank_from_metadata,
    default_bank,
    load_bank,
    user_bank_folder,
)
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank
from lerf_core.bank.patterns import PATTERNS, QUARTER_TURNS, rotate
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.bank.stages import (
    KINDS,
    LOCAL_PLANE,
    NETWORK_KIND,
    SLOPES,
    Kind,
    Read,
    Stage,
    block_values,
    turned_columns,
    two_stages,
)

__all__ = [
    "BANK_BEHIND_FRONTS",
    "DEFAULT_BANK",
    "KINDS",
    "LOCAL_PLANE",
    "NETWORK_KIND",
    "PATTERNS",
    "QUARTER_TURNS",
    "SHRINKING_BANK",
    "SLOPES",
    "Bank",
    "Kind",
    "Layer",
    "LutBank",
    "NetworkBank",
    "Read",
    "Stage",
    "StagedTables",
    "Table",
    "analytic_bank",
    "available_banks",
    "bank_from_metadata",
    "block_values",
    "default_bank",
    "load_bank",
    "rotate",
    "table_name",
    "turned_columns",
    "two_stages",
    "user_bank_folder",
]
