//! Which values can stand in a key.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use super::KeyWriter;

/// A value that can be part of a key.
///
/// Implemented for integers, `bool`, `char`, text, references and smart pointers to such values, and with
/// the features `uuid` and `ulid` for those ids. Derive it for newtypes and for enums without fields:
///
/// ```
/// #[derive(coord::KeyPart)]
/// struct OrderId(u64);
///
/// #[derive(coord::KeyPart)]
/// enum Region { Europe, Asia }
///
/// let (order, region) = (OrderId(7), Region::Europe);
/// assert_eq!(coord::key!("order:<region>:<order>").unwrap().as_str(), "order:Europe:7");
/// ```
///
/// Floats, `Option` and collections are left out on purpose: they have several texts for what a person
/// takes for one value, or one text for several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a key",
    label = "this value cannot be part of a key",
    note = "integers, `bool`, `char`, text, ids and newtypes of them can; derive it with `#[derive(coord::KeyPart)]`",
    note = "for a float, an `Option` or a collection, choose one text for it first, and pass that: `let id = id.to_string();`"
)]
pub trait KeyPart {
    /// Writes the value. It must write something, always the same for equal values, and something else
    /// for different ones.
    fn write_key(&self, key: &mut KeyWriter<'_>);
}

macro_rules! displayed {
    ($($type:ty),* $(,)?) => {$(
        impl KeyPart for $type {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                // Writing to a `KeyWriter` cannot fail.
                let _ = write!(key, "{self}");
            }
        }
    )*};
}

displayed!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool
);
displayed!(
    std::num::NonZeroU8,
    std::num::NonZeroU16,
    std::num::NonZeroU32,
    std::num::NonZeroU64,
    std::num::NonZeroU128,
    std::num::NonZeroUsize,
    std::num::NonZeroI8,
    std::num::NonZeroI16,
    std::num::NonZeroI32,
    std::num::NonZeroI64,
    std::num::NonZeroI128,
    std::num::NonZeroIsize,
);

impl KeyPart for char {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.write_str(self.encode_utf8(&mut [0; 4]));
    }
}

impl KeyPart for str {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.write_str(self);
    }
}

impl KeyPart for String {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.write_str(self);
    }
}

impl KeyPart for Cow<'_, str> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.write_str(self);
    }
}

macro_rules! pointers {
    ($($type:ty),* $(,)?) => {$(
        #[diagnostic::do_not_recommend]
        impl<P: KeyPart + ?Sized> KeyPart for $type {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                (**self).write_key(key);
            }
        }
    )*};
}

pointers!(&P, &mut P, Box<P>, Arc<P>, Rc<P>);

#[cfg(feature = "uuid")]
impl KeyPart for uuid::Uuid {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.write_str(
            self.hyphenated()
                .encode_lower(&mut uuid::Uuid::encode_buffer()),
        );
    }
}

#[cfg(feature = "ulid")]
impl KeyPart for ulid::Ulid {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.write_str(self.array_to_str(&mut [0; ulid::ULID_LEN]));
    }
}
