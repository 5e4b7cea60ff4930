"""A tiny run for torchrun: `killed_once.py FOLDER`; in its first life the last rank is killed."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from training.tiny_run import QUIET, GeneratedLoader, run


class Killed(GeneratedLoader):
    def batch(self, step, part=0, num_parts=1):
        is_last = os.environ["RANK"] == str(int(os.environ["WORLD_SIZE"]) - 1)
        if step == 6 and is_last and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step, part, num_parts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    config = replace(QUIET, steps=12, resume=True)
    run(Path(sys.argv[1]), config, Killed(config.batch_size))
