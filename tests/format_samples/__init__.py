"""One recording, written in every format by writers that share no code with the readers.

Where a library of others can write a format (wfdb, edfio, pydicom, scipy, h5py, pyarrow, NumPy)
it does; the rest is written here from the specifications.
"""

from format_samples.arrays import ARRAYS
from format_samples.biopac import BIOPAC
from format_samples.clinical import CLINICAL
from format_samples.devices import DEVICES
from format_samples.physionet import PHYSIONET
from format_samples.recording import Sample, recording

# format -> name of the variant -> function that writes it into a folder.
SAMPLES = {**PHYSIONET, **CLINICAL, **DEVICES, **BIOPAC, **ARRAYS}

__all__ = ["SAMPLES", "Sample", "recording"]
