//! The U-Boot environment.

/// Variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Environment<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// A wrong CRC.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ()> {
        let (crc, data) = bytes.split_first_chunk().ok_or(())?;
        if crc32fast::hash(data) != u32::from_le_bytes(*crc) {
            return Err(());
        }
        let end = data
            .windows(2)
            .position(|pair| pair == [0, 0])
            .unwrap_or(data.len());
        let text = data[..end].split(|byte| *byte == 0);
        let pairs = text.filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
        Ok(Self(pairs.collect()))
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }
}
