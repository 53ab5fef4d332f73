//! One watermark over all partitions.
