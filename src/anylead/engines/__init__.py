"""Where independent pieces of work run: cores and GPUs of this machine, or a Ray cluster."""

from anylead.engines.workers import Engine, run_pieces, usable_cores, worker_rank

__all__ = ["Engine", "run_pieces", "usable_cores", "worker_rank"]
