//! Partitions as devices of their own, for other programs.

use super::Done;
use super::files::partition;
use super::session::Session;
use wz_core::event::Problem;

/// Makes the partition a device, which it stays until it is released or the camera restarts, and prints
/// that.
pub fn show(session: &mut Session, name: &str) -> Done {
    let sight = session.look()?;
    let region = partition(&sight, name)?.region;
    let mounts = session.flash.mounts();
    let node = mounts.register(region).or_else(|_| {
        // A kernel that takes one at a time may have another one, which nobody uses any more.
        mounts.take_back_all().map_err(|problem| problem.what())?;
        mounts.register(region).map_err(|error| error.to_string())
    });
    let node = node.map_err(|reason| Problem::PartitionNotShown {
        partition: name.to_owned(),
        reason,
    })?;
    println!("{}", node.display());
    Ok(())
}

/// Takes back all that are devices.
pub fn release(session: &mut Session) -> Done {
    Ok(session.flash.mounts().take_back_all()?)
}
