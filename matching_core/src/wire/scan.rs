//! Walking over the fields of a protobuf message.

/// The bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The value of a field, by wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Integers, booleans and enumerations.
    Varint(u64),
    /// Texts, bytes and messages.
    Bytes(&'a [u8]),
    /// Eight bytes of a fixed size, which no order message uses.
    Fixed64,
    /// Four bytes of a fixed size, which no order message uses.
    Fixed32,
}

impl<'a> Value<'a> {
    /// Returns an integer.
    ///
    /// # Errors
    /// When the field has another wire type.
    pub const fn varint(self) -> Result<u64, Malformed> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(Malformed) }
    }

    /// Returns an `int32`, `int64` or enumeration.
    ///
    /// # Errors
    /// When the field has another wire type.
    pub fn int64(self) -> Result<i64, Malformed> {
        self.varint().map(u64::cast_signed)
    }

    /// Returns a `sint64`.
    ///
    /// # Errors
    /// When the field has another wire type.
    pub fn sint64(self) -> Result<i64, Malformed> {
        self.varint()
            .map(|value| (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg())
    }

    /// Returns a `uint32`: the low half, as generated parsers take it.
    ///
    /// # Errors
    /// When the field has another wire type.
    pub fn uint32(self) -> Result<u32, Malformed> {
        self.varint().map(|value| u32::try_from(value & 0xFFFF_FFFF).unwrap_or(0))
    }

    /// Returns a boolean.
    ///
    /// # Errors
    /// When the field has another wire type.
    pub fn boolean(self) -> Result<bool, Malformed> {
        self.varint().map(|value| value != 0)
    }

    /// Returns the bytes of a message.
    ///
    /// # Errors
    /// When the field has another wire type.
    pub const fn message(self) -> Result<&'a [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    /// Returns a text.
    ///
    /// # Errors
    /// When the field has another wire type or is not UTF-8.
    pub fn text(self) -> Result<&'a str, Malformed> {
        self.message().and_then(|bytes| core::str::from_utf8(bytes).map_err(|_| Malformed))
    }
}

/// A walk over the fields of one message.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Returns a walk from the first field.
    #[must_use]
    pub const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Returns the next field's number and value, or `None` at the end.
    ///
    /// # Errors
    /// When the bytes are not a message.
    pub fn advance(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed32)?,
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte has room for one bit.
            if index == 9 && byte > 1 {
                return Err(Malformed);
            }
            let shift = u32::try_from(index).unwrap_or(0).saturating_mul(7);
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                self.rest = self.rest.get(index.saturating_add(1)..).unwrap_or(&[]);
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}
