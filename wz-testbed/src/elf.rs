//! Wraps a kernel that U-Boot has unpacked into an ELF file, which is what QEMU's `-kernel` loads.
//!
//! ```text
//! 0x00  ELF header       52 bytes
//! 0x34  program header   32 bytes, one PT_LOAD
//! 0x54  padding up to the payload
//! 0x1000  payload        loaded at `load`, then jumped to at `entry`
//! ```
//!
//! QEMU then sets up what Malta's boot monitor would: the arguments, the memory size, the registers.

const PAYLOAD_AT: u32 = 0x1000;

const EM_MIPS: u16 = 8;
/// MIPS32 release 2, o32 ABI (`EF_MIPS_ARCH_32R2 | EF_MIPS_ABI_O32` of the MIPS ELF ABI).
const E_FLAGS: u32 = 0x7000_1000;

/// The bytes of a little-endian MIPS32 executable that holds `payload` at `load` and starts at `entry`.
pub(crate) fn wrap(payload: &[u8], load: u32, entry: u32) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut elf = Vec::with_capacity(PAYLOAD_AT as usize + payload.len());
    elf.extend_from_slice(b"\x7fELF");
    elf.extend_from_slice(&[1, 1, 1]); // 32 bits, little-endian, version 1
    elf.resize(16, 0);
    half(&mut elf, 2); // ET_EXEC
    half(&mut elf, EM_MIPS);
    word(&mut elf, 1); // version
    word(&mut elf, entry);
    word(&mut elf, 52); // program headers follow this header
    word(&mut elf, 0); // no section headers
    word(&mut elf, E_FLAGS);
    half(&mut elf, 52); // size of this header
    half(&mut elf, 32); // size of a program header
    half(&mut elf, 1); // number of them
    half(&mut elf, 40); // size of a section header
    half(&mut elf, 0);
    half(&mut elf, 0);

    word(&mut elf, 1); // PT_LOAD
    word(&mut elf, PAYLOAD_AT);
    word(&mut elf, load); // virtual
    word(&mut elf, load); // physical: QEMU strips KSEG0 itself
    word(&mut elf, size);
    word(&mut elf, size); // .bss is cleared by the kernel's own entry code
    word(&mut elf, 7); // RWX
    word(&mut elf, PAYLOAD_AT);

    elf.resize(PAYLOAD_AT as usize, 0);
    elf.extend_from_slice(payload);
    elf
}

fn half(to: &mut Vec<u8>, value: u16) {
    to.extend_from_slice(&value.to_le_bytes());
}

fn word(to: &mut Vec<u8>, value: u32) {
    to.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readelf_understands_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kernel.elf");
        std::fs::write(&file, wrap(b"payload", 0x8010_0000, 0x8010_0400)).unwrap();

        let out = std::process::Command::new("readelf")
            .args(["-h", "-l", "-W"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();

        assert!(out.status.success(), "{said}");
        assert!(said.contains("MIPS R3000"), "{said}");
        assert!(said.contains("o32, mips32r2"), "{said}");
        assert!(said.contains("0x80100400"), "{said}");
        assert!(
            said.contains("LOAD           0x001000 0x80100000 0x80100000 0x00007 0x00007 RWE"),
            "{said}"
        );
    }

    #[test]
    fn the_payload_follows_the_headers() {
        let elf = wrap(b"payload", 0, 0);

        assert_eq!(&elf[0x1000..], b"payload");
    }
}
