//! Strips the release binary. Cargo forgets the profile's `strip` for a package whose optimisation
//! the profile overrides, and this one is built for size: equal functions are kept once, too.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).as_deref() == Ok(value);
    if is("PROFILE", "release") && is("DEBUG", "false") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
