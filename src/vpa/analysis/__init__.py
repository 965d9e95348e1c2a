"""From a text to the terms that keyword search compares: segmentation, folding, stop words, stems, and the score."""
