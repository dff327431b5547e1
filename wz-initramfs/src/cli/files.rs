//! The partition that a command names, and the files in it.

use wz_core::detect::{CameraPartition, file_system};
use wz_core::event::Problem;
use wz_core::flash::FileSystem;
use wz_core::run::Sight;

use super::info::unknown_partitions;

/// The installed firmware's partition of this name.
///
/// # Errors
/// [`Problem::PartitionUnknown`], or why none is known.
pub fn partition<'a>(sight: &'a Sight, name: &str) -> Result<&'a CameraPartition, Problem> {
    let partitions = &sight.camera.partitions;
    if partitions.is_empty() {
        return Err(unknown_partitions(sight));
    }
    sight.camera.partition(name).ok_or_else(|| {
        let known = partitions.iter().map(|partition| partition.name.as_str());
        Problem::PartitionUnknown {
            name: name.to_owned(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    })
}

/// What the kernel can mount of it.
///
/// # Errors
/// [`Problem::PartitionWithoutFiles`].
pub fn readable(partition: &CameraPartition) -> Result<FileSystem, Problem> {
    file_system(partition.format).ok_or_else(|| without_files(partition))
}

/// The same, if files in it can be changed.
///
/// # Errors
/// [`Problem::PartitionWithoutFiles`].
pub fn writable(partition: &CameraPartition) -> Result<FileSystem, Problem> {
    match readable(partition)? {
        FileSystem::Squashfs => Err(without_files(partition)),
        kind @ (FileSystem::Jffs2 | FileSystem::Vfat) => Ok(kind),
    }
}

fn without_files(partition: &CameraPartition) -> Problem {
    Problem::PartitionWithoutFiles {
        partition: partition.name.clone(),
        format: partition.format.name().to_owned(),
    }
}
