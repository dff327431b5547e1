//! How much of what could be tried is tried: a sample while somebody waits (`make test`), all that was
//! promised before a change is taken (`make qemu-test`).

/// The factor by which samples grow.
pub fn factor() -> u64 {
    match std::env::var_os("WZ_THOROUGH") {
        None => 1,
        Some(_) => 10,
    }
}
