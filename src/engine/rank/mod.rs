//! An investigation → ranked suspects with factors.
