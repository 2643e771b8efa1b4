//! Lines for a person who may have stopped reading: `| head` is no reason to panic, and a worker goes on without a reader.

/// Prints to stdout, as `println!` does.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Prints to stderr, as `eprintln!` does.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
