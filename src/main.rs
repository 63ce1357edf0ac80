//! The program `ampup`.

fn main() {}
