"""Files of watches, hand-held and other devices, written from the descriptions of their formats."""

import base64
import json
import struct
from pathlib import Path

import numpy as np

from format_samples.recording import (
    ABOUT,
    LEADS,
    NUM_SAMPLES,
    RATE,
    STEP_UV,
    Sample,
    about,
    recording,
    steps,
)

LINES = ABOUT["diagnosis"].splitlines()
LIMBS = LEADS[:6]


# Apple Health ------------------------------------------------------------------------------------


def _apple(path: Path, head: str, values: list[str]) -> None:
    path.write_text(head + "\n" + "\n".join(values) + "\n", encoding="utf-8")


def apple_english(folder: Path) -> Sample:
    head = (
        "Name,P-17\nDate of Birth,\"Jan 1, 1950\"\nRecorded Date,2013-01-25 10:59:19 +0100\n"
        "Classification,Sinus Rhythm\nSymptoms,\nSoftware Version,1.90\nDevice,\"Watch5,4\"\n"
        "Sample Rate,513.6 hertz\n\n\nLead,Lead I\nUnit,µV\n\n"
    )  # fmt: skip
    path = folder / "ecg_2013-01-25.csv"
    _apple(path, head, [f"{1000 * value:.3f}" for value in recording(("I",))[0]])
    facts = {"patient_id": "P-17", "start_time": "2013-01-25T10:59:19+01:00"}
    facts["diagnosis"] = "Sinus Rhythm"
    return Sample(path, ("I",), recording(("I",)), facts=facts, sample_rate=513.6)


def apple_german(folder: Path) -> Sample:
    head = (
        "Name,P-17\nGeburtsdatum,01.01.1950\nAufzeichnungsdatum,2013-01-25 10:59:19 +0100\n"
        "Klassifizierung,Sinusrhythmus\nSymptome,\nSoftwareversion,1.90\nGerät,\"Watch5,4\"\n"
        "Messrate,\"512,414 Hertz\"\n\n\nAbleitung,Ableitung I\nEinheit,µV\n\n"
    )  # fmt: skip
    path = folder / "ecg_deutsch.csv"
    values = [f"{1000 * value:.3f}".replace(".", ",") for value in recording(("I",))[0]]
    _apple(path, head, [f'"{value}"' for value in values])
    facts = {"diagnosis": "Sinusrhythmus"}
    return Sample(path, ("I",), recording(("I",)), facts=facts, sample_rate=512.414)


# AliveCor ----------------------------------------------------------------------------------------

ATC_BLOCKS = ("ecg ", "ecg2", "ecg3", "ecg4", "ecg5", "ecg6")


def _atc_block(name: str, body: bytes) -> bytes:
    block = name.encode() + struct.pack("<I", len(body)) + body
    return block + struct.pack("<I", sum(block) & 0xFFFFFFFF)


def atc(folder: Path, leads: tuple[str, ...] = LIMBS) -> Sample:
    """Steps of 500 nV, with an average beat and annotations behind the leads."""
    info = b"2013-01-25T10:59:19.000+01:00".ljust(32, b"\0") + bytes(232)
    rows = steps()[:6] * 10
    data = b"ALIVE\0\0\0" + struct.pack("<I", 4) + _atc_block("info", info)
    data += _atc_block("fmt ", struct.pack("<BHHBH", 1, 250, 500, 0, 0))
    for name, row in zip(ATC_BLOCKS[: len(leads)], rows, strict=False):
        data += _atc_block(name, row.astype("<i2").tobytes())
    data += _atc_block("avg ", bytes(20)) + _atc_block("ann ", struct.pack("<IIH", 250, 20, 1))
    path = folder / f"{len(leads)}.atc"
    path.write_bytes(data)
    facts = {"start_time": "2013-01-25T10:59:19.000+01:00"}
    return Sample(path, leads, recording(leads), facts=facts)


def atc_one(folder: Path) -> Sample:
    return atc(folder, ("I",))


def kardia(folder: Path) -> Sample:
    names = ("leadI", "leadII", "leadIII", "AVR", "AVL", "AVF")
    rows = dict(zip(names, (steps()[:6] * 10).tolist(), strict=True))
    block = {"frequency": 250, "mainsFrequency": 50, "amplitudeResolution": 500, "numLeads": 6}
    text = {
        "id": "abc", "patientID": "P-17", "duration": 400, "heartRate": 75,
        "recordedAt": ABOUT["start_time"], "algorithmDetermination": "normal",
        "data": {"raw": {**block, "samples": rows}},
    }  # fmt: skip
    path = folder / "recording.json"
    path.write_text(json.dumps(text))
    facts = {**about("patient_id", "start_time"), "diagnosis": "normal"}
    return Sample(path, LIMBS, recording(LIMBS), facts=facts)


# XML ---------------------------------------------------------------------------------------------


def cardiosoft(folder: Path) -> Sample:
    waves = "".join(
        f'<WaveformData lead="{lead}">{",".join(map(str, row))}</WaveformData>\n'
        for lead, row in zip(LEADS, steps(), strict=True)
    )
    texts = "".join(f"<DiagnosisText>{line}</DiagnosisText>" for line in LINES)
    path = folder / "cardiosoft.xml"
    path.write_text(
        f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<CardiologyXML><ObservationType>RestECG</ObservationType>
<ObservationDateTime><Hour>10</Hour><Minute>59</Minute><Second>19</Second>
<Day>25</Day><Month>1</Month><Year>2013</Year></ObservationDateTime>
<PatientInfo><PID>P-17</PID><Age units="years">63</Age><Gender>FEMALE</Gender></PatientInfo>
<Interpretation><Diagnosis>{texts}</Diagnosis></Interpretation>
<StripData><NumberOfLeads>12</NumberOfLeads><SampleRate units="Hz">{RATE:.0f}</SampleRate>
<ChannelSampleCountTotal>{NUM_SAMPLES}</ChannelSampleCountTotal>
<Resolution units="uVperLsb">{STEP_UV:g}</Resolution>
{waves}</StripData></CardiologyXML>""",
        encoding="latin-1",
    )
    return Sample(path, LEADS, recording(), facts=ABOUT)


def mortara(folder: Path) -> Sample:
    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="200" DURATION="{len(row)}"'
        f' SAMPLE_FREQ="{RATE:.0f}" NAME="{lead}" ENCODING="BASE64"'
        f' DATA="{base64.b64encode(row.astype("<i2").tobytes()).decode()}"/>\n'
        for lead, row in zip(LEADS, steps(), strict=True)
    )
    texts = "".join(f'<STATEMENT TEXT="{line}" REASON=""/>' for line in LINES)
    path = folder / "mortara.xml"
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<ECG ACQUISITION_TIME="20130125105919" AGE="63" AGE_UNITS="YEARS">
<SUBJECT LAST_NAME="" FIRST_NAME="" ID="P-17" GENDER="FEMALE"/>
<SOURCE TYPE="RESTING" MANUFACTURER="MORTARA"/>
<AUTOMATIC_INTERPRETATION>{texts}</AUTOMATIC_INTERPRETATION>
{channels}</ECG>"""
    )
    return Sample(path, LEADS, recording(), facts=ABOUT)


# Contec ------------------------------------------------------------------------------------------

CONTEC = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")


def contec(folder: Path) -> Sample:
    """Two off-scale samples; the reader must compute I, aVR, aVL and aVF."""
    rows = steps()[[LEADS.index(lead) for lead in CONTEC]] + 2048
    rows[2, 3] = rows[7, 50] = 0x6800
    header = b"0000011\0" + bytes(2) + b"2013-01-25 10:59:19\0" + bytes(2)
    header += b"P-17".ljust(8, b"\0") + bytes([0, 63, 70])
    path = folder / "0000011.ECG"
    path.write_bytes(header + rows.T.astype("<u2").tobytes() + bytes(37))
    signal = recording()
    signal[6, 3] = signal[11, 50] = np.nan
    facts = about("patient_id", "age", "sex", "start_time")
    return Sample(path, LEADS, signal, facts=facts, sample_rate=800.0)


# MFER --------------------------------------------------------------------------------------------

MFER_CODES = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
MFER_CODES |= {f"V{n}": n + 2 for n in range(1, 7)}
RESPIRATION = 160


def _tag(tag: int, value: bytes, channel: int | None = None) -> bytes:
    head = bytes([tag]) if channel is None else bytes([tag, channel])
    size = len(value)
    length = bytes([size]) if size < 128 else b"\x84" + struct.pack(">I", size)
    return head + length + value


def mfer(folder: Path, byte_order: str = ">") -> Sample:
    """Twelve leads at 250 Hz and a respiration at 25 Hz, in one frame."""

    def number(code: str, *values: int) -> bytes:
        return struct.pack(byte_order + code, *values)

    data = _tag(0x40, b"MFR Standard 12-lead ECG".ljust(32))
    data += _tag(0x01, bytes([byte_order == "<"])) + _tag(0x82, b"P-17") + _tag(0x84, b"\2")
    data += _tag(0x83, bytes([63]) + number("HH", 0, 1950) + bytes([1, 25]))
    data += _tag(0x85, number("H", 2013) + bytes([1, 25, 10, 59, 19]) + number("HH", 0, 0))
    data += _tag(0x0B, b"\1" + number("bH", -3, 4)) + _tag(0x0C, b"\0" + number("bH", -6, 5))
    data += _tag(0x04, number("I", NUM_SAMPLES)) + _tag(0x05, bytes([13])) + _tag(0x06, b"\1")
    for channel, lead in enumerate(LEADS):
        data += _tag(0x3F, _tag(0x09, number("H", MFER_CODES[lead])), channel)
    slow = _tag(0x09, number("H", RESPIRATION)) + _tag(0x04, number("I", NUM_SAMPLES // 10))
    data += _tag(0x3F, slow + _tag(0x0B, b"\1" + number("bH", -3, 40)), 12)
    frame = steps().astype(f"{byte_order}i2").tobytes()
    data += _tag(0x1E, frame + bytes(2 * NUM_SAMPLES // 10)) + b"\x80\0"
    path = folder / ("big.mwf" if byte_order == ">" else "little.mwf")
    path.write_bytes(data)
    return Sample(path, LEADS, recording(), facts=about("patient_id", "age", "sex", "start_time"))


def mfer_little(folder: Path) -> Sample:
    return mfer(folder, "<")


# Text of loggers ---------------------------------------------------------------------------------


def _opensignals(path: Path, device: dict, rows: np.ndarray) -> None:
    head = f"# OpenSignals Text File Format. Version 1\n# {json.dumps({'00:07': device})}\n"
    lines = ["\t".join(str(int(value)) for value in row) + "\t" for row in rows.T]
    path.write_text(head + "# EndOfHeader\n" + "\n".join(lines) + "\n")


def bitalino(folder: Path) -> Sample:
    """Steps of 10 bits on A2, beside another sensor; numbers of samples start again at 16."""
    ecg = np.clip(512 + steps()[0], 0, 1023)
    numbers = np.arange(NUM_SAMPLES) % 16
    device = {
        "device": "bitalino_rev", "sampling rate": int(RATE), "date": "2013-1-25",
        "time": "10:59:19.249", "resolution": [4, 1, 10, 10], "sensor": ["EDA", "ECGBIT"],
        "column": ["nSeq", "I1", "A1", "A2"],
    }  # fmt: skip
    path = folder / "bitalino.txt"
    _opensignals(path, device, np.stack([numbers, 0 * numbers, 300 + numbers, ecg]))
    signal = (ecg / 1024 - 0.5) * 3.3 / 1100 * 1000
    return Sample(path, ("ECG",), signal[None], facts=about("start_time"))


def biosignalsplux(folder: Path) -> Sample:
    ecg = 32768 + 20 * steps()[0]
    device = {
        "device": "biosignalsplux", "convertedValues": 0, "sampling rate": int(RATE),
        "resolution": [16], "sensor": ["ECG"], "column": ["nSeq", "DI", "CH1"],
    }  # fmt: skip
    path = folder / "plux.txt"
    _opensignals(path, device, np.stack([np.arange(NUM_SAMPLES), 0 * ecg, ecg]))
    return Sample(path, ("ECG",), ((ecg / 65536 - 0.5) * 3 / 1.019)[None])


def viatom(folder: Path, head: str = "F-0-01,250,II,200.0,", name: str = "er1.txt") -> Sample:
    path = folder / name
    path.write_text(head + ",".join(str(value) for value in steps()[1]) + ",")
    return Sample(path, ("II",), recording(("II",)))


def viatom_bare(folder: Path) -> Sample:
    return viatom(folder, "250,II,200,", "checkme.csv")


DEVICES = {
    "cardiosoft_xml": {"strip": cardiosoft},
    "mortara_xml": {"eli": mortara},
    "mfer": {"big endian": mfer, "little endian": mfer_little},
    "apple_health": {"english": apple_english, "german": apple_german},
    "alivecor_atc": {"6 leads": atc, "1 lead": atc_one},
    "kardia_json": {"6 leads": kardia},
    "contec": {"ecg90a": contec},
    "opensignals": {"bitalino": bitalino, "biosignalsplux": biosignalsplux},
    "viatom": {"with filter": viatom, "bare": viatom_bare},
}
