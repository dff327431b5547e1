//! Where a MIPS kernel's `.bss` lies, read from the code that clears it.
//!
//! The kernel's entry (`arch/mips/kernel/head.S`, the same in 3.10 and 6.1) does, after some set-up of
//! the processor:
//!
//! ```text
//!   lui   t0, hi(start)    addiu t0, t0, lo(start)      first word of .bss
//!   sw    zero, 0(t0)
//!   lui   t1, hi(end-4)    addiu t1, t1, lo(end-4)      last word of .bss
//! 1: addiu t0, t0, 4
//!   sw    zero, 0(t0)                                   before the branch, or in its delay slot
//!   bne   t0, t1, 1b
//! ```
//! It is followed from the entry on with the few instructions that make constants; which registers are
//! used and what stands between does not matter.

/// The memory that the kernel clears when it starts: `start .. end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bss {
    /// Its first address.
    pub start: u32,
    /// The first address behind it.
    pub end: u32,
}

/// How many instructions are followed: the set-up takes a few dozen.
const REACH: usize = 256;
/// The instruction at a branch target is one word before the delay slot plus the distance.
const WORD: u32 = 4;

/// Registers whose value is known because it was made from constants.
struct Registers([Option<u32>; 32]);

/// A loop that stores zeros may have begun: the register that points, and what it pointed at.
#[derive(Clone, Copy)]
struct Clearing {
    pointer: usize,
    start: u32,
}

impl Clearing {
    /// Whether storing a zero at `address` is the loop's second store, and not one that may begin another.
    fn goes_on_at(self, pointer: usize, address: u32) -> bool {
        pointer == self.pointer && self.start.checked_add(WORD) == Some(address)
    }
}

/// Follows the code from `entry` on in a kernel that lies at `load`. `None` if it does not clear its
/// `.bss` in the way described above.
pub fn find_bss(kernel: &[u8], load: u32, entry: u32) -> Option<Bss> {
    let mut registers = Registers([None; 32]);
    let mut clearing: Option<Clearing> = None;
    let mut at = entry;
    for _ in 0..REACH {
        let instruction = Instruction(word_at(kernel, load, at)?);
        if let Some(cleared) = instruction.cleared_address(&registers) {
            let pointer = instruction.rs();
            let goes_on = clearing.is_some_and(|c| c.goes_on_at(pointer, cleared));
            clearing = clearing.filter(|_| goes_on).or(Some(Clearing {
                pointer,
                start: cleared,
            }));
        }
        if let Some(end) = clearing.and_then(|c| instruction.end_of_loop(&registers, c)) {
            return clearing.map(|c| Bss {
                start: c.start,
                end,
            });
        }
        if let Some(target) = instruction.jump_target(at, &registers) {
            at = target;
            continue;
        }
        registers.execute(instruction);
        at = at.checked_add(WORD)?;
    }
    None
}

fn word_at(kernel: &[u8], load: u32, address: u32) -> Option<u32> {
    let at = usize::try_from(address.checked_sub(load)?).ok()?;
    Some(u32::from_le_bytes(*kernel.get(at..)?.first_chunk()?))
}

/// One instruction. Source of the encodings: MIPS32 Architecture for Programmers, volume II.
#[derive(Clone, Copy)]
struct Instruction(u32);

mod opcode {
    pub const SPECIAL: u32 = 0x00;
    pub const J: u32 = 0x02;
    pub const BNE: u32 = 0x05;
    pub const ADDIU: u32 = 0x09;
    pub const FIRST_IMMEDIATE: u32 = 0x08;
    pub const ORI: u32 = 0x0d;
    pub const LUI: u32 = 0x0f;
    pub const COP0: u32 = 0x10;
    pub const SPECIAL2: u32 = 0x1c;
    pub const SPECIAL3: u32 = 0x1f;
    pub const FIRST_LOAD: u32 = 0x20;
    pub const LAST_LOAD: u32 = 0x26;
    pub const SW: u32 = 0x2b;
    pub const JR_FUNCTION: u32 = 0x08;
}

impl Instruction {
    fn opcode(self) -> u32 {
        self.0 >> 26
    }

    fn rs(self) -> usize {
        (self.0 >> 21 & 31) as usize
    }

    fn rt(self) -> usize {
        (self.0 >> 16 & 31) as usize
    }

    fn rd(self) -> usize {
        (self.0 >> 11 & 31) as usize
    }

    fn immediate(self) -> u32 {
        self.0 & 0xffff
    }

    fn signed_immediate(self) -> u32 {
        i32::from(self.immediate() as u16 as i16) as u32
    }

    /// The address that `sw zero, 0(pointer)` clears, if the pointer is known.
    fn cleared_address(self, registers: &Registers) -> Option<u32> {
        let stores_zero = self.opcode() == opcode::SW && self.rt() == 0 && self.immediate() == 0;
        registers.get(self.rs()).filter(|_| stores_zero)
    }

    /// Where the memory ends that the loop clears whose backward `bne` this is.
    fn end_of_loop(self, registers: &Registers, clearing: Clearing) -> Option<u32> {
        let backward = self.opcode() == opcode::BNE && self.immediate() & 0x8000 != 0;
        let last = match (self.rs(), self.rt()) {
            (rs, rt) if rs == clearing.pointer => rt,
            (rs, rt) if rt == clearing.pointer => rs,
            _ => return None,
        };
        let steps_by_word = registers.get(clearing.pointer) == clearing.start.checked_add(WORD);
        let end = registers.get(last)?.checked_add(WORD)?;
        (backward && steps_by_word && end > clearing.start).then_some(end)
    }

    /// Where an unconditional jump goes, if that is known.
    fn jump_target(self, at: u32, registers: &Registers) -> Option<u32> {
        match self.opcode() {
            opcode::J => Some((at & 0xf000_0000) | (self.0 << 2 & 0x0fff_ffff)),
            opcode::SPECIAL if self.0 & 0x3f == opcode::JR_FUNCTION => registers.get(self.rs()),
            _ => None,
        }
    }

    /// The register that is changed in a way that is not followed.
    fn overwrites(self) -> Option<usize> {
        match self.opcode() {
            opcode::SPECIAL | opcode::SPECIAL2 => Some(self.rd()),
            opcode::FIRST_IMMEDIATE..=opcode::LUI
            | opcode::COP0
            | opcode::SPECIAL3
            | opcode::FIRST_LOAD..=opcode::LAST_LOAD => Some(self.rt()),
            _ => None,
        }
    }
}

impl Registers {
    fn get(&self, number: usize) -> Option<u32> {
        if number == 0 { Some(0) } else { self.0[number] }
    }

    fn execute(&mut self, instruction: Instruction) {
        let source = self.get(instruction.rs());
        match instruction.opcode() {
            opcode::LUI => self.0[instruction.rt()] = Some(instruction.immediate() << 16),
            opcode::ORI => self.0[instruction.rt()] = source.map(|v| v | instruction.immediate()),
            opcode::ADDIU => {
                let sum = source.map(|v| v.wrapping_add(instruction.signed_immediate()));
                self.0[instruction.rt()] = sum;
            }
            _ => {
                if let Some(number) = instruction.overwrites() {
                    self.0[number] = None;
                }
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    pub const LOAD: u32 = 0x8001_0000;
    const ENTRY: u32 = 0x8001_0010;
    const BSS: Bss = Bss {
        start: 0x8041_96c0,
        end: 0x805a_8f40,
    };

    const NOP: u32 = 0;
    const SW_ZERO_T0: u32 = 0xad00_0000;
    const ADDIU_T0_4: u32 = 0x2508_0004;

    /// `lui rt, hi; addiu rt, rt, lo`, as the assembler makes it from `la rt, address`.
    fn la(rt: u32, address: u32) -> [u32; 2] {
        let high = address.wrapping_add(0x8000) >> 16;
        [
            0x3c00_0000 | rt << 16 | high,
            0x2400_0000 | rt << 21 | rt << 16 | address & 0xffff,
        ]
    }

    /// Set-up as binutils assembles it: status register, then a jump to the next instruction but one.
    fn set_up(next: u32) -> Vec<u32> {
        let jump = la(8, next);
        vec![
            0x4008_6000, // mfc0 t0, c0_status
            0x3c09_1000, // lui  t1, 0x1000
            0x3529_001f, // ori  t1, t1, 0x1f
            0x0109_4025, // or   t0, t0, t1
            0x3908_001f, // xori t0, t0, 0x1f
            0x4088_6000, // mtc0 t0, c0_status
            0x0000_00c0, // ehb
            jump[0],
            jump[1],
            0x0100_0008, // jr   t0
            NOP,
        ]
    }

    /// The store before the branch, `nop` in the delay slot (binutils without optimisation).
    fn store_before_branch(bss: Bss) -> Vec<u32> {
        let mut code = la(8, bss.start).to_vec();
        code.push(SW_ZERO_T0);
        code.extend(la(9, bss.end - 4));
        code.extend([ADDIU_T0_4, SW_ZERO_T0, 0x1509_fffd, NOP]);
        code
    }

    /// The store in the delay slot.
    fn store_in_delay_slot(bss: Bss) -> Vec<u32> {
        let mut code = la(8, bss.start).to_vec();
        code.push(SW_ZERO_T0);
        code.extend(la(9, bss.end - 4));
        code.extend([ADDIU_T0_4, 0x1509_fffe, SW_ZERO_T0]);
        code
    }

    /// Four words in front, so that the entry is not where the kernel starts.
    fn kernel(code: &[u32]) -> Vec<u8> {
        [&[NOP; 4], code]
            .concat()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// The head of a kernel whose entry is its first word.
    pub fn clearing_code(bss: Bss) -> Vec<u8> {
        store_in_delay_slot(bss)
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    #[rstest]
    #[case::before_the_branch(store_before_branch(BSS))]
    #[case::in_the_delay_slot(store_in_delay_slot(BSS))]
    fn the_bss_is_found_wherever_the_store_stands(#[case] clearing: Vec<u32>) {
        let code = [set_up(ENTRY + 11 * 4), clearing].concat();
        assert_eq!(find_bss(&kernel(&code), LOAD, ENTRY), Some(BSS));
    }

    #[test]
    fn a_jump_at_the_entry_is_followed() {
        let to = 0x0800_0000 | ((ENTRY + 12) >> 2 & 0x03ff_ffff);
        let code = [vec![to, NOP, 0xffff_ffff], store_in_delay_slot(BSS)].concat();
        assert_eq!(find_bss(&kernel(&code), LOAD, ENTRY), Some(BSS));
    }

    /// Some processors' set-up switches a device off in this way.
    #[test]
    fn a_zero_that_is_stored_before_is_no_start_of_the_bss() {
        let device_off = [&la(8, 0xb000_2004)[..], &[SW_ZERO_T0]].concat();
        for clearing in [store_before_branch(BSS), store_in_delay_slot(BSS)] {
            let code = [device_off.clone(), clearing].concat();
            assert_eq!(find_bss(&kernel(&code), LOAD, ENTRY), Some(BSS));
        }
    }

    #[test]
    fn an_address_without_low_half_is_found() {
        let bss = Bss {
            start: 0x8056_0000,
            end: 0x8057_0000,
        };
        assert_eq!(
            find_bss(&kernel(&store_before_branch(bss)), LOAD, ENTRY),
            Some(bss)
        );
    }

    #[rstest]
    #[case::nothing(vec![NOP; 300])]
    #[case::end_before_start(store_in_delay_slot(Bss { start: BSS.end, end: BSS.start }))]
    #[case::pointer_from_memory([&la(8, BSS.start)[..], &[0x8d08_0000], &store_in_delay_slot(BSS)[2..]].concat())]
    #[case::forward_branch([&store_in_delay_slot(BSS)[..6], &[0x1509_0002, SW_ZERO_T0]].concat())]
    #[case::endless_jump(vec![0x0800_0000 | (ENTRY >> 2 & 0x03ff_ffff)])]
    fn code_that_clears_no_bss_is_not_taken_for_it(#[case] code: Vec<u32>) {
        assert_eq!(find_bss(&kernel(&code), LOAD, ENTRY), None);
    }

    #[rstest]
    #[case(LOAD - 4)]
    #[case(LOAD + 0x1000)]
    #[case(u32::MAX)]
    #[case(0)]
    fn an_entry_outside_the_kernel_is_no_entry(#[case] entry: u32) {
        assert_eq!(
            find_bss(&kernel(&store_in_delay_slot(BSS)), LOAD, entry),
            None
        );
    }

    proptest! {
        #[test]
        fn any_code_has_a_bss_or_none(bytes: Vec<u8>, load: u32, offset in 0u32..64) {
            if let Some(bss) = find_bss(&bytes, load, load.wrapping_add(offset)) {
                prop_assert!(bss.start < bss.end);
            }
        }
    }
}
