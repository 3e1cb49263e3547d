//! Is a page what it was agreed to be? Compared word for word with a file beside this one.
//!
//! `BLESS=1` writes the files anew; the diff is then for a person to read.

use std::path::Path;
use std::{env, fs};

/// Compares a page with `golden/NAME.txt`.
pub(super) fn assert_golden(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/render/golden/{name}.txt"));
    if env::var_os("BLESS").is_some() {
        fs::write(&file, page).expect("the file can be written");
    }
    let agreed = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(page, agreed, "{name}:\n{page}");
}
