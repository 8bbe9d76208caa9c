//! Output tensors as decoders see them: borrowed from the runtime, never copied.

use super::super::graph::Element;
use crate::base::{Error, ErrorKind, Result};

/// The numbers of a tensor.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// Floats (half floats are widened before they get here).
    F32(&'a [f32]),
    /// 64-bit integers.
    I64(&'a [i64]),
    /// 32-bit integers.
    I32(&'a [i32]),
}

/// An output: shape and numbers, batch first.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Dimensions as the runtime gave them.
    pub shape: &'a [i64],
    /// Row-major numbers.
    pub data: Data<'a>,
}

/// Which picture of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its place, from 0.
    pub index: usize,
    /// Rows in the batch that ran.
    pub of: usize,
}

impl<'a> Tensor<'a> {
    fn refused(&self, wanted: &str) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!("the model gave an output of shape {:?}, {wanted} was expected", self.shape),
        )
    }

    /// This row's floats.
    ///
    /// # Errors
    /// `Corrupt` when the tensor is of another type or does not split into rows.
    pub fn floats(&self, row: Row) -> Result<&'a [f32]> {
        match self.data {
            Data::F32(data) => split(data, row).ok_or_else(|| self.refused("whole rows")),
            _ => Err(self.refused("floats")),
        }
    }

    /// This row's floats as records of `width`; the tensor's last dimension must be just that.
    ///
    /// # Errors
    /// `Corrupt` when it is not.
    pub fn records(&self, row: Row, width: usize) -> Result<std::slice::ChunksExact<'a, f32>> {
        if width == 0 || self.shape.last().copied() != i64::try_from(width).ok() {
            return Err(self.refused(&format!("[.., {width}]")));
        }
        Ok(self.floats(row)?.chunks_exact(width))
    }

    /// This row's class indices; integers or whole floats. Negative ones become `u64::MAX`.
    ///
    /// # Errors
    /// `Corrupt` when the tensor does not split into rows.
    pub fn class_ids(&self, row: Row) -> Result<ClassIds<'a>> {
        let split = match self.data {
            Data::F32(data) => split(data, row).map(Data::F32),
            Data::I64(data) => split(data, row).map(Data::I64),
            Data::I32(data) => split(data, row).map(Data::I32),
        };
        split.map(ClassIds).ok_or_else(|| self.refused("whole rows"))
    }

    /// Length of the last dimension but one, and of the last: `[.., n, m]`.
    #[must_use]
    pub fn last_two(&self) -> Option<(usize, usize)> {
        let [.., n, m] = self.shape else { return None };
        Some((usize::try_from(*n).ok()?, usize::try_from(*m).ok()?))
    }
}

/// Class indices of one row.
#[derive(Debug, Clone, Copy)]
pub struct ClassIds<'a>(Data<'a>);

impl ClassIds<'_> {
    /// The index at a place; `usize::MAX`, which no model has, for what is no class index.
    #[must_use]
    pub fn get(&self, place: usize) -> usize {
        match self.0 {
            Data::F32(data) => data.get(place).map_or(usize::MAX, |&v| from_float(v)),
            Data::I64(data) => data.get(place).and_then(|&v| usize::try_from(v).ok()).unwrap_or(usize::MAX),
            Data::I32(data) => data.get(place).and_then(|&v| usize::try_from(v).ok()).unwrap_or(usize::MAX),
        }
    }
}

/// A class index that a model writes as a float.
pub fn from_float(value: f32) -> usize {
    let rounded = value.round();
    if (0.0..65536.0).contains(&rounded) && (value - rounded).abs() < 1e-3 { rounded as usize } else { usize::MAX }
}

fn split<T>(data: &[T], row: Row) -> Option<&[T]> {
    if row.of == 0 || !data.len().is_multiple_of(row.of) {
        return None;
    }
    let len = data.len() / row.of;
    data.get(row.index.checked_mul(len)?..)?.get(..len)
}

impl Element {
    /// Whether outputs of this type can be read.
    #[must_use]
    pub fn readable(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::I64 | Self::I32)
    }
}
