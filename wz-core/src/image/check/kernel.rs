use crc32fast::Hasher;

use super::head::Head;
use crate::image::uimage::{CheckedHeader, HEADER_LEN, UimageError};
use crate::units::Size;

/// A uImage that is expected at the start of a stream.
#[derive(Debug)]
pub(super) struct Kernel {
    room: Size,
    head: Head<HEADER_LEN>,
    payload: Option<Result<Payload, UimageError>>,
}

/// The payload that a header announced, as far as it was seen.
#[derive(Debug)]
struct Payload {
    header: CheckedHeader,
    missing: Size,
    crc: Hasher,
}

impl Kernel {
    /// For a uImage that must fit into `room`.
    pub(super) fn new(room: Size) -> Self {
        Self {
            room,
            head: Head::default(),
            payload: None,
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        let behind = self.head.take(bytes);
        if self.payload.is_none() && self.head.whole().is_some() {
            self.payload = Some(Payload::announced(self.head.bytes(), self.room));
        }
        if let Some(Ok(payload)) = &mut self.payload {
            payload.take(behind);
        }
    }

    /// The length of the uImage, once all of it was seen and is right.
    pub(super) fn whole(&self) -> Option<Size> {
        self.payload.as_ref()?.as_ref().ok()?.verdict()?.ok()
    }

    /// The length of the uImage.
    pub(super) fn finish(self) -> Result<Size, UimageError> {
        let cut = UimageError::HeaderCut {
            found: Size::bytes(self.head.bytes().len() as u64),
        };
        let payload = self.payload.ok_or(cut)??;
        payload.verdict().unwrap_or_else(|| Err(payload.cut()))
    }
}

impl Payload {
    fn announced(head: &[u8], room: Size) -> Result<Self, UimageError> {
        let header = CheckedHeader::parse(head)?;
        header.header.mips_kernel()?;
        if header.total() > room {
            return Err(UimageError::PayloadCut {
                announced: header.payload,
                found: Size::bytes(room.get().saturating_sub(HEADER_LEN as u64)),
            });
        }
        Ok(Self {
            missing: header.payload,
            header,
            crc: Hasher::new(),
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        let ours = &bytes[..self.missing.as_usize().min(bytes.len())];
        self.crc.update(ours);
        self.missing = Size::bytes(self.missing.get() - ours.len() as u64);
    }

    /// None until all of the payload was seen.
    fn verdict(&self) -> Option<Result<Size, UimageError>> {
        if self.missing > Size::ZERO {
            return None;
        }
        let (stored, computed) = (self.header.payload_crc, self.crc.clone().finalize());
        Some(match stored == computed {
            true => Ok(self.header.total()),
            false => Err(UimageError::PayloadCrc { stored, computed }),
        })
    }

    fn cut(&self) -> UimageError {
        let announced = self.header.payload;
        UimageError::PayloadCut {
            announced,
            found: Size::bytes(announced.get() - self.missing.get()),
        }
    }
}
