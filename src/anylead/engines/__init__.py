"""Where independent pieces of work run: cores and GPUs of this machine, or a Ray cluster."""

from anylead.engines.threads import physical_cores, usable_cores
from anylead.engines.workers import Engine, run_pieces, worker_rank

__all__ = ["Engine", "physical_cores", "run_pieces", "usable_cores", "worker_rank"]
