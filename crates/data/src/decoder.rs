//! The decoders of compressed streams: any number of members or frames, one after the other, each
//! within a window whose size is checked before it is made.
use std::io::{self, BufRead, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use brotli_decompressor::Decompressor;
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use lzma_rust2::XzReader;
use mcp_workspace_stop::StopSignal;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::stream::Packing;

/// The compressed bytes, as long as the call has time.
pub(crate) struct Checked<R> {
    source: R,
    stop: StopSignal,
}

impl<R> Checked<R> {
    pub(crate) fn new(source: R, stop: &StopSignal) -> Checked<R> {
        Checked { source, stop: stop.clone() }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.check().is_err() {
            return Err(io::Error::other("the call ended"));
        }
        self.source.read(buffer)
    }
}

/// Largest dictionary of xz in KiB, with what the decoder holds beside it: that of `xz -9`.
const XZ_KIB: u32 = 65 * 1024;
/// What brotli reads at once.
const BROTLI_BYTES: usize = 64 * 1024;
/// The first seven bits of a brotli stream whose window is larger than 16 MiB.
const BROTLI_LARGE: u8 = 0x11;

pub(crate) enum Decoder<R: BufRead> {
    /// Bytes as they are.
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    /// Without gzip's header, as zip has it.
    Deflate(Box<DeflateDecoder<R>>),
    Zstd(Box<Frames<R>>),
    Brotli(Box<Brotli<R>>),
    Bzip2(Box<MultiBzDecoder<R>>),
    Xz(Box<XzReader<R>>),
    /// One that has failed.
    Failed,
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn of(packing: Packing, source: R) -> Decoder<R> {
        match packing {
            Packing::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
            Packing::Zstd => Decoder::Zstd(Box::new(Frames::new(source))),
            Packing::Brotli => Decoder::Brotli(Box::new(Brotli::Begin(Some(source)))),
            Packing::Bzip2 => Decoder::Bzip2(Box::new(MultiBzDecoder::new(source))),
            Packing::Xz => Decoder::Xz(Box::new(XzReader::new_mem_limit(source, true, XZ_KIB))),
        }
    }

    pub(crate) fn deflate(source: R) -> Decoder<R> {
        Decoder::Deflate(Box::new(DeflateDecoder::new(source)))
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = || match self {
            Decoder::Plain(source) => source.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Deflate(decoder) => decoder.read(buffer),
            Decoder::Zstd(frames) => frames.read(buffer),
            Decoder::Brotli(brotli) => brotli.read(buffer),
            Decoder::Bzip2(decoder) => decoder.read(buffer),
            Decoder::Xz(decoder) => decoder.read(buffer),
            Decoder::Failed => Err(io::Error::other("its decoder failed on it")),
        };
        // A decoder that has failed half way is never used again.
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
            *self = Decoder::Failed;
            Err(io::Error::other("its decoder failed on it"))
        })
    }
}

/// A stream of brotli, whose first byte is looked at before its window is made.
pub(crate) enum Brotli<R: Read> {
    Begin(Option<R>),
    Stream(Box<Decompressor<R>>),
}

impl<R: BufRead> Read for Brotli<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Brotli::Begin(source) = self {
            let Some(mut source) = source.take() else { return Ok(0) };
            match source.fill_buf()?.first() {
                None => return Err(ErrorKind::UnexpectedEof.into()),
                Some(first) if first & 0x7F == BROTLI_LARGE => {
                    return Err(io::Error::other("its window is larger than 16 MiB"));
                }
                Some(_) => {
                    let stream = Decompressor::new(source, BROTLI_BYTES);
                    *self = Brotli::Stream(Box::new(stream));
                }
            }
        }
        match self {
            Brotli::Begin(_) => Ok(0),
            Brotli::Stream(stream) => stream.read(buffer),
        }
    }
}

/// The frames of zstd, one after the other, each with its checksum compared.
pub(crate) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Frames<R> {
        Frames { source, decoder: FrameDecoder::new(), inside: false }
    }

    /// Goes to the next frame, past those that are to be skipped; no more frames are false.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.inside = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.source).take(u64::from(length));
                    if io::copy(&mut skipped, &mut io::sink())? < u64::from(length) {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.inside = false;
            let (said, found) =
                (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
            if said.is_some() && said != found {
                return Err(io::Error::other("a frame's checksum is not that of its content"));
            }
        }
    }
}
