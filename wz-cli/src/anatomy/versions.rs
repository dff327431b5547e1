//! What boot loaders and kernels call themselves.

use memchr::memmem;
use wz_core::image::uimage::Uimage;
use wz_core::units::Size;

use crate::payload;

/// Longer than any version text.
const LONGEST: usize = 160;
/// No kernel of a camera is larger.
const LARGEST_KERNEL: Size = Size::mib(32);

/// `U-Boot 2013.07 (Feb 17 2020 - 15:40:27)`, if a boot loader says so in clear text.
pub fn u_boot(boot: &[u8]) -> Option<String> {
    let is_version = |text: &str| {
        let number = text.strip_prefix("U-Boot ");
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    texts(boot, b"U-Boot ").find(|text| is_version(text))
}

/// `Thingino U-Boot for Ingenic T31X SPL 2013.07 ...`: the same of its first stage.
pub fn spl(boot: &[u8]) -> Option<String> {
    memmem::find_iter(boot, b" SPL ")
        .map(|at| {
            let before = &boot[at.saturating_sub(LONGEST)..at];
            let start = before.iter().rposition(|byte| !is_text(*byte));
            &boot[at - before.len() + start.map_or(0, |last| last + 1)..]
        })
        .map(text)
        .find(|text| is_u_boot(text))
}

/// `Ingenic U-Boot Flex SPL`: the name stands before the word.
fn is_u_boot(text: &str) -> bool {
    let name = text.split(" SPL ").next();
    name.is_some_and(|name| name.contains("U-Boot"))
}

/// `Linux version 3.10.14 (...) ...`, from the unpacked kernel.
pub fn linux(kernel: &Uimage<'_>) -> Option<String> {
    let how = kernel.header.compression;
    let unpacked = payload::unpack(kernel.payload, how, LARGEST_KERNEL).ok()?;
    texts(&unpacked, b"Linux version ").find(|text| text.contains('('))
}

/// The texts that begin like this.
fn texts<'a>(bytes: &'a [u8], begin: &'a [u8]) -> impl Iterator<Item = String> + 'a {
    memmem::find_iter(bytes, begin).map(|at| text(&bytes[at..]))
}

/// The text that stands at the start of these bytes.
fn text(bytes: &[u8]) -> String {
    let text = bytes
        .iter()
        .take(LONGEST)
        .take_while(|byte| is_text(**byte));
    let text: String = text.map(|byte| char::from(*byte)).collect();
    text.trim_end().to_owned()
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use wz_core::image::uimage::{self, Arch, Compression, Header, Kind, Os};

    #[rstest]
    #[case(
        b"\x01\x02U-Boot SPL 2013.07 (Feb 17 2020 - 15:40:27)\0U-Boot 2013.07 (Feb 17 2020)\n\0",
        Some("U-Boot SPL 2013.07 (Feb 17 2020 - 15:40:27)"),
        Some("U-Boot 2013.07 (Feb 17 2020)")
    )]
    #[case(
        b"\xffThingino U-Boot for Ingenic T31X SPL 2013.07 (x)\n",
        Some("Thingino U-Boot for Ingenic T31X SPL 2013.07 (x)"),
        None
    )]
    #[case(b"a SPL of nothing, U-Boot is not", None, None)]
    #[case(b"", None, None)]
    fn boot_loaders_tell_their_versions(
        #[case] boot: &[u8],
        #[case] first: Option<&str>,
        #[case] second: Option<&str>,
    ) {
        let own = |text: Option<&str>| text.map(str::to_owned);
        assert_eq!((spl(boot), u_boot(boot)), (own(first), own(second)));
    }

    #[rstest]
    fn a_kernel_tells_its_version(
        #[values(Compression::None, Compression::Gzip, Compression::Lzma)] how: Compression,
    ) {
        let kernel = b"\0%s Linux version %s\0Linux version 3.10.14 (u@h) #1 PREEMPT\n\0";
        let header = Header {
            time: 0,
            load: 0,
            entry: 0,
            os: Os::Linux,
            arch: Arch::Mips,
            kind: Kind::Kernel,
            compression: how,
            name: String::new(),
        };
        let image = uimage::build(&header, &payload::pack(kernel, how).unwrap());
        let version = linux(&Uimage::parse(&image).unwrap());
        assert_eq!(
            version.as_deref(),
            Some("Linux version 3.10.14 (u@h) #1 PREEMPT")
        );
    }
}
