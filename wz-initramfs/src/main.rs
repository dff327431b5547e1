//! PID 1 on the camera.
fn main() {}
