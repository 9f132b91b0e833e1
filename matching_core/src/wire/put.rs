//! Writing protobuf messages. Values that are their field's default are left out.

/// Appends a varint.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7F).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// Appends an unsigned field, an enumeration or a boolean.
pub fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        tag(out, field, 0);
        varint(out, value);
    }
}

/// Appends an `int64` field.
pub fn int(out: &mut Vec<u8>, field: u32, value: i64) {
    uint(out, field, value.cast_unsigned());
}

/// Appends a text or bytes field.
pub fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        tag(out, field, 2);
        varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }
}

/// Appends a message field, also when it is empty.
pub fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, 2);
    let start = out.len();
    // Room for a length of one byte, which most messages have; longer ones are moved.
    out.push(0);
    write(out);
    let length = out.len().saturating_sub(start).saturating_sub(1);
    if let (Ok(short @ 0..0x80), Some(place)) = (u8::try_from(length), out.get_mut(start)) {
        *place = short;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

/// Appends a `google.protobuf.Timestamp` field of nanoseconds since 1970; 0 is left out.
pub fn timestamp(out: &mut Vec<u8>, field: u32, time_ns: u64) {
    if time_ns != 0 {
        message(out, field, |out| {
            uint(out, 1, time_ns.div_euclid(1_000_000_000));
            uint(out, 2, time_ns.rem_euclid(1_000_000_000));
        });
    }
}
