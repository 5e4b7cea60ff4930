"""Where the public corpora are, under which licence, and what to cite."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Each project of PhysioNet lies on both, file by file, with a list of SHA-256 checksums.
PHYSIONET = ("https://physionet-open.s3.amazonaws.com", "https://physionet.org/files")
SUMS = "SHA256SUMS.txt"


@dataclass(frozen=True)
class Source:
    """A corpus at its official place.

    Attributes:
        title: its name in full.
        version: of its files.
        page: to read about it, and to fetch it by hand.
        licence: of its files.
        size: to download.
        citation: of the paper or the data.
        project: "slug/version" at PhysioNet, or "".
        dois: of Zenodo or figshare, whose interfaces tell files and MD5 checksums.
        files: patterns of what is fetched; all, if empty.
        unpack: pattern of an archive -> folder for the files in it.
        access: what it takes to be allowed in.
    """

    title: str
    version: str
    page: str
    licence: str
    size: str
    citation: str
    project: str = ""
    dois: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unpack: Mapping[str, str] = field(default_factory=dict)
    access: str = "open, no account needed"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Official folders that hold the files and their list, the fastest first."""
        return tuple(f"{root}/{self.project}/" for root in PHYSIONET) if self.project else ()


def _physionet(
    project: str,
    title: str,
    licence: str,
    size: str,
    citation: str,
    files: tuple[str, ...] = (),
    unpack: Mapping[str, str] | None = None,
) -> Source:
    return Source(
        title=title,
        version=project.partition("/")[2],
        page=f"https://physionet.org/content/{project}/",
        licence=licence,
        size=size,
        citation=citation,
        project=project,
        files=files,
        unpack=unpack or {},
    )


# Sizes of PhysioNet's corpora follow from the number and length of their recordings.
SOURCES: dict[str, Source] = {
    "ptbxl": _physionet(
        "ptb-xl/1.0.3",
        "PTB-XL, a large publicly available electrocardiography dataset",
        "CC BY 4.0",
        "about 3 GB",
        "Wagner et al. 2020, Scientific Data 7:154, doi:10.1038/s41597-020-0495-6",
    ),
    "physionet2021": _physionet(
        "challenge-2021/1.0.3",
        "PhysioNet/Computing in Cardiology Challenge 2021",
        "CC BY 4.0",
        "about 13 GB",
        "Reyna et al. 2021, Computing in Cardiology 48, doi:10.23919/CinC53138.2021.9662687;"
        " data doi:10.13026/34va-7q14",
    ),
    "physionet2017": _physionet(
        "challenge-2017/1.0.0",
        "PhysioNet/Computing in Cardiology Challenge 2017",
        "ODC-By 1.0",
        "about 0.3 GB",
        "Clifford et al. 2017, Computing in Cardiology 44, doi:10.22489/CinC.2017.065-469;"
        " data doi:10.13026/d3hm-sf11",
        # The training records lie there packed, file by file, or both.
        ("REFERENCE*.csv", "training/*", "training2017.zip"),
        {"training2017.zip": "training2017"},
    ),
    "mimic_iv_ecg": _physionet(
        "mimic-iv-ecg/1.0",
        "MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset",
        "ODbL 1.0",
        "about 97 GB in 1.6 million files",
        "Gow et al. 2023, doi:10.13026/4nqg-sb35",
    ),
    "code15": Source(
        title="CODE-15%: a large scale annotated dataset of 12-lead ECGs",
        version="1.0.0",
        page="https://zenodo.org/records/4916206",
        licence="CC BY 4.0",
        size="about 46 GB, and 68 GB unpacked",
        citation="Ribeiro et al. 2021, doi:10.5281/zenodo.4916206",
        dois=("10.5281/zenodo.4916206",),
        files=("exams.csv", "exams_part*.zip"),
        unpack={"exams_part*.zip": "."},
    ),
    "chapman": _physionet(
        "ecg-arrhythmia/1.0.0",
        "A large scale 12-lead electrocardiogram database for arrhythmia study",
        "CC BY 4.0",
        "about 5.5 GB",
        "Zheng et al. 2022, doi:10.13026/wgex-er52",
    ),
    "sph": Source(
        title="SPH: a large-scale multi-label 12-lead electrocardiogram database",
        version="v1",
        page="https://doi.org/10.6084/m9.figshare.c.5779802.v1",
        licence="CC0",
        size="2.3 GB, and as much unpacked",
        citation="Liu et al. 2022, Scientific Data 9:272, doi:10.1038/s41597-022-01403-5",
        dois=("10.6084/m9.figshare.17912441.v1", "10.6084/m9.figshare.17912444.v1"),
        files=("metadata.csv", "records.tar.gz"),
        unpack={"records.tar.gz": "records"},
    ),
    "ludb": _physionet(
        "ludb/1.0.1",
        "Lobachevsky University Electrocardiography Database",
        "ODC-By 1.0",
        "about 30 MB",
        "Kalyakulina et al. 2020, IEEE Access 8, doi:10.1109/ACCESS.2020.3029211",
    ),
    "ptb": _physionet(
        "ptbdb/1.0.0",
        "PTB Diagnostic ECG Database",
        "ODC-By 1.0",
        "about 1.8 GB",
        "Bousseljot et al. 1995, Biomedizinische Technik 40(S1):317; data doi:10.13026/C28C71",
    ),
    "incart": _physionet(
        "incartdb/1.0.0",
        "St. Petersburg INCART 12-lead Arrhythmia Database",
        "ODC-By 1.0",
        "about 0.8 GB",
        "Tihonenko et al. 2008; data doi:10.13026/C2V88N",
    ),
    "mitdb": _physionet(
        "mitdb/1.0.0",
        "MIT-BIH Arrhythmia Database",
        "ODC-By 1.0",
        "about 0.1 GB",
        "Moody and Mark 2001, IEEE Engineering in Medicine and Biology 20(3):45,"
        " doi:10.1109/51.932724; data doi:10.13026/C2F305",
    ),
    "qtdb": _physionet(
        "qtdb/1.0.0",
        "QT Database",
        "ODC-By 1.0",
        "about 80 MB",
        "Laguna et al. 1997, Computers in Cardiology 24:673, doi:10.1109/CIC.1997.648140;"
        " data doi:10.13026/C24K53",
    ),
    "cinc2011": _physionet(
        "challenge-2011/1.0.0",
        "PhysioNet/Computing in Cardiology Challenge 2011, set A",
        "ODC-By 1.0",
        "about 0.1 GB",
        "Silva et al. 2011, Computing in Cardiology 38:273",
        ("set-a/*.hea", "set-a/*.dat", "set-a/RECORDS*"),
    ),
    "ecgid": _physionet(
        "ecgiddb/1.0.0",
        "ECG-ID Database",
        "ODC-By 1.0",
        "about 13 MB",
        "Lugovaya 2005; data doi:10.13026/C2J01F",
    ),
}
