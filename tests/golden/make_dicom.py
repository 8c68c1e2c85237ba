#!/usr/bin/env python3
"""A tiny DICOM study, by pydicom: tests/golden/dicom/study (a CT of 10 slices under names out of order, a localizer, a text file), and ct.nii.gz, the CT
as SimpleITK's DICOM reader has it. Synthetic throughout. Run by hand in a Python with pydicom and SimpleITK."""
import os
import shutil

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dicom")
shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(os.path.join(OUT, "study"))
ROOT = "1.2.826.0.1.3680043.8.498.20261123"
rng = np.random.default_rng(7)


def write(name, series, number, pixels, position, orientation, kind, thickness):
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = CTImageStorage
    d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = f"{ROOT}.{series}.{number}"
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = f"{ROOT}.0", f"{ROOT}.{series}", f"{ROOT}.9"
    d.PatientName, d.PatientID, d.Modality, d.Manufacturer = "Nobody^Synthetic", "synthetic-1", "CT", "niipipe"
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = "20261123"
    d.StudyTime = d.SeriesTime = d.AcquisitionTime = "120000"
    d.StudyID, d.SeriesNumber, d.AcquisitionNumber, d.InstanceNumber = "1", series, 1, number
    d.SeriesDescription, d.ImageType = kind, ["ORIGINAL", "PRIMARY", kind]
    d.ImagePositionPatient, d.ImageOrientationPatient = [f"{v:g}" for v in position], [f"{v:g}" for v in orientation]
    d.PixelSpacing, d.SliceThickness, d.PatientPosition = ["0.8", "0.75"], str(thickness), "HFS"
    d.Rows, d.Columns = pixels.shape
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "1", "-1024", "HU"
    d.PixelData = pixels.astype("<i2").tobytes()
    pydicom.dcmwrite(os.path.join(OUT, "study", name), d, enforce_file_format=True)


ct = rng.integers(0, 3000, (10, 9, 11))
ct[0, 0, 0] = 0
for i, n in enumerate(rng.permutation(10)):
    write(f"IM{i:04d}", 3, int(n) + 1, ct[n], (-12.5, -20, 100 + 2.5 * n), (1, 0, 0, 0, 1, 0), "AXIAL", 2.5)
write("IM0010", 1, 1, rng.integers(0, 1000, (16, 12)), (-12, 0, 130), (1, 0, 0, 0, 0, -1), "LOCALIZER", 1)
with open(os.path.join(OUT, "study", "README.txt"), "w") as f:
    f.write("no DICOM\n")

r = sitk.ImageSeriesReader()
r.SetFileNames(r.GetGDCMSeriesFileNames(os.path.join(OUT, "study"), f"{ROOT}.3"))
img = r.Execute()
assert (sitk.GetArrayFromImage(img) == ct - 1024).all()
sitk.WriteImage(sitk.Cast(img, sitk.sitkInt16), os.path.join(OUT, "ct.nii.gz"), True)
print(img.GetSpacing(), img.GetOrigin(), img.GetDirection())
