//! The emulated camera.
